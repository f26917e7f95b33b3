//! Limits, as plain data: which file of which controller gets which value.
//!
//! As with the other OCI runtimes a zero means "not set" where the kernel has no use for zero: an
//! update that names one value sends zeros for the rest. `kernel` and `kernelTCP` of memory are read
//! and not used, as runc does: the kernel has not had such limits since 5.16 (memory) and charges TCP
//! buffers to the ordinary limit. All else is written, or refused by name.

mod convert;
mod v1;
mod v2;

use std::borrow::Cow;

use oci_spec::runtime::{LinuxHugepageLimit, LinuxMemory, LinuxPids, LinuxRdma, LinuxResources};
use rustix::io::Errno;
use types::{Error, Kind, Result};

use super::dir::Dir;
use crate::plan::invalid;

pub use v1::v1;
pub use v2::{Current, v2};

/// One value to write.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Setting {
    /// Controller, by its name in the hierarchy.
    pub controller: &'static str,
    /// File.
    pub file: Cow<'static, str>,
    /// What to write.
    pub value: String,
    /// What to do where the kernel has no such file.
    pub missing: Missing,
}

/// A kernel without a file.
#[derive(Debug, PartialEq, Eq, Clone)]
pub enum Missing {
    /// The setting is refused.
    Refuse,
    /// Fine: nobody asked for it by name, or the value is what such a kernel does anyway.
    Accept,
    /// Another file has the same meaning.
    Instead(&'static str, String),
}

fn set(
    controller: &'static str,
    file: impl Into<Cow<'static, str>>,
    value: impl std::fmt::Display,
) -> Setting {
    Setting { controller, file: file.into(), value: format!("{value}"), missing: Missing::Refuse }
}

impl Setting {
    fn accept_missing(self) -> Self {
        Self { missing: Missing::Accept, ..self }
    }

    fn or_else(self, file: &'static str, value: impl std::fmt::Display) -> Self {
        Self { missing: Missing::Instead(file, format!("{value}")), ..self }
    }

    /// Writes it.
    fn put(&self, dir: &Dir) -> Result<(), Refused> {
        let done = dir.put(&self.file, &self.value);
        match (done, &self.missing) {
            (Err(Errno::NOENT), Missing::Accept) => Ok(()),
            (Err(Errno::NOENT), Missing::Instead(file, value)) => {
                dir.put(file, value).map_err(|errno| Refused { file: file.to_string(), errno })
            }
            (done, _) => done.map_err(|errno| Refused { file: self.file.to_string(), errno }),
        }
    }
}

struct Refused {
    file: String,
    errno: Errno,
}

/// Writes settings into one group.
///
/// What the kernel refuses because of another value that is about to change (a period shorter than
/// the quota, a limit above that of memory and swap, a weight while the group is idle) is tried once
/// more after all others, which spares each of them a rule about its order.
pub fn apply<'s>(dir: &Dir, settings: impl IntoIterator<Item = &'s Setting>) -> Result<()> {
    let mut later = Vec::new();
    for setting in settings {
        match setting.put(dir) {
            Err(Refused { errno: Errno::INVAL | Errno::BUSY, .. }) => later.push(setting),
            done => done.map_err(|e| explain(dir, setting, &e))?,
        }
    }
    later.into_iter().try_for_each(|setting| setting.put(dir).map_err(|e| explain(dir, setting, &e)))
}

/// Words for a refusal; runc's for the one that is read by programs.
fn explain(dir: &Dir, setting: &Setting, refused: &Refused) -> Error {
    let number = |file| dir.read_if_there(file).ok().flatten().unwrap_or_default().trim().to_owned();
    if refused.file == "memory.limit_in_bytes" && refused.errno == Errno::BUSY {
        let (usage, peak) = (number("memory.usage_in_bytes"), number("memory.max_usage_in_bytes"));
        let value = &setting.value;
        let text =
            format!("unable to set memory limit to {value} (current usage: {usage}, peak usage: {peak})");
        return Error::new(Kind::Conflict, text);
    }
    dir.refused(&refused.file, &setting.value, refused.errno)
}

/// Memory and swap together when only memory is limited: twice the memory, as Docker's daemon says,
/// where the kernel counts swap. Not part of a configuration: the engine asks for it.
pub fn swap_as_docker(resources: &LinuxResources, unified: bool) -> Option<Setting> {
    let memory = resources.memory().as_ref()?;
    let limit = memory.limit().filter(|limit| *limit > 0)?;
    if memory.swap().is_some_and(|swap| swap != 0) {
        return None;
    }
    let setting = if unified {
        set("memory", "memory.swap.max", limit)
    } else {
        set("memory", "memory.memsw.limit_in_bytes", limit.saturating_mul(2))
    };
    Some(setting.accept_missing())
}

/// A value that is there and not zero.
fn some<N: Copy + Default + PartialEq>(value: Option<N>) -> Option<N> {
    value.filter(|value| *value != N::default())
}

/// A number for a file of v2 or of pids; all below zero means without limit.
fn or_max(limit: i64) -> String {
    if limit < 0 { "max".into() } else { limit.to_string() }
}

fn pids(pids: LinuxPids) -> Option<Setting> {
    some(Some(pids.limit())).map(|limit| set("pids", "pids.max", or_max(limit)))
}

fn rdma(device: &str, limit: LinuxRdma) -> Setting {
    let mut line = device.to_owned();
    for (key, value) in [("hca_handle", limit.hca_handles()), ("hca_object", limit.hca_objects())] {
        if let Some(value) = value {
            line.push_str(&format!(" {key}={value}"));
        }
    }
    set("rdma", "rdma.max", line)
}

/// The usage limit and, from Linux 5.7, that of reservations: "Default to reservation limits if
/// supported" (runtime-spec, config-linux), and both as newer runtimes do.
pub fn hugetlb(limits: &[LinuxHugepageLimit], unified: bool) -> Result<Vec<Setting>> {
    let mut all = Vec::new();
    for limit in limits {
        let size = page_size(limit.page_size())?;
        let (file, value) = if unified {
            ("max", or_max(limit.limit()))
        } else {
            ("limit_in_bytes", limit.limit().to_string())
        };
        all.push(set("hugetlb", format!("hugetlb.{size}.{file}"), &value));
        all.push(set("hugetlb", format!("hugetlb.{size}.rsvd.{file}"), value).accept_missing());
    }
    Ok(all)
}

/// It becomes part of a file name.
fn page_size(size: &str) -> Result<&str> {
    let digits = size.trim_end_matches("KB").trim_end_matches("MB").trim_end_matches("GB");
    let good = digits.len() + 2 == size.len() && !digits.is_empty();
    if good && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(size);
    }
    Err(invalid(format!("bad huge page size {size:?}")))
}

/// A limit of memory and swap together cannot be below that of memory.
fn check_swap(memory: &LinuxMemory) -> Result<()> {
    match (memory.limit().filter(|n| *n > 0), memory.swap().filter(|n| *n > 0)) {
        (Some(limit), Some(total)) if total < limit => Err(invalid(format!(
            "limit of memory and swap ({total}) is below that of memory ({limit}): memory+swap limit should \
             be >= memory limit"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
