//! Labels of security modules: AppArmor profiles and SELinux contexts.
//!
//! The stub asks the kernel for them (`lib/child/stub/label.rs`), so that they become the program's and nobody
//! else's. Like runc, and unlike crun, which goes on without: where the kernel has no AppArmor or no SELinux, a
//! container that names a label of it is refused, for it would be less confined than was asked for.

use std::os::fd::BorrowedFd;
use std::path::Path;

use oci_spec::runtime::{Linux, Process};
use rustix::fs::{XattrFlags, fsetxattr};
use types::{Error, Kind, Result};

use super::{Draft, Step, invalid, text};

/// The profile of AppArmor that is none, and which also a kernel without AppArmor can promise.
const UNCONFINED: &str = "unconfined";

/// What the program is labelled with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// A profile of AppArmor.
    pub apparmor: Option<String>,
    /// A context of SELinux.
    pub selinux: Option<String>,
}

impl Labels {
    /// Reads those of a process.
    ///
    /// # Errors
    /// `Unsupported` if the kernel has no such module.
    pub fn of(process: &Process) -> Result<Self> {
        Self::where_there_is(process, (has_apparmor(), has_selinux()))
    }

    fn where_there_is(process: &Process, (apparmor, selinux): (bool, bool)) -> Result<Self> {
        let named = |label: &Option<String>| label.clone().filter(|label| !label.is_empty());
        let labels =
            Self { apparmor: named(process.apparmor_profile()), selinux: named(process.selinux_label()) };
        for label in [&labels.apparmor, &labels.selinux].into_iter().flatten() {
            if label.contains(['\n', '\0']) {
                return Err(invalid(format!("bad label {label:?}")));
            }
        }
        match (&labels.apparmor, &labels.selinux) {
            (Some(profile), _) if !apparmor && profile != UNCONFINED => {
                Err(missing("AppArmor", &format!("AppArmor profile {profile:?}")))
            }
            (_, Some(label)) if !selinux => Err(missing("SELinux", &format!("SELinux label {label:?}"))),
            (Some(_), _) if !apparmor => Ok(Self { apparmor: None, ..labels }),
            _ => Ok(labels),
        }
    }

    /// Tells whether there is any.
    pub const fn any(&self) -> bool {
        self.apparmor.is_some() || self.selinux.is_some()
    }

    /// What is done first: keys that are made on the way belong to the program.
    pub fn of_keys(&self, draft: &mut Draft) -> Result<()> {
        if let Some(label) = &self.selinux {
            draft.push(Step::KeyLabel(text(label)?));
        }
        Ok(())
    }

    /// The directory for the stub is opened while we may mount, and while the host's procfs is to be seen, without
    /// which a user namespace gets none of its own.
    pub fn open(&self, draft: &mut Draft) {
        if self.any() {
            draft.push(Step::Attributes { above: draft.free_number() });
        }
    }

    /// And put in its place with the other descriptors.
    pub fn pass(&self, draft: &mut Draft) {
        if self.any() {
            draft.push(Step::PassAttributes(draft.label_number()));
        }
    }

    /// Arguments of the stub.
    pub fn arguments(&self) -> impl Iterator<Item = String> {
        let apparmor = self.apparmor.as_ref().map(|profile| format!("exec {profile}"));
        apparmor.into_iter().chain(self.selinux.clone())
    }

    /// Letters of its mode.
    pub const fn mode(&self) -> &'static str {
        match (&self.apparmor, &self.selinux) {
            (Some(_), Some(_)) => "as",
            (Some(_), None) => "a",
            (None, Some(_)) => "s",
            (None, None) => "",
        }
    }

    /// What it means that the kernel has not taken the label of this step, if it is one.
    pub fn explain(&self, step: usize, errno: i32) -> Option<Error> {
        let failed = |what: String| Error::io(what, std::io::Error::from_raw_os_error(errno));
        match u32::try_from(step).ok()? {
            child::Failure::APPARMOR => {
                let name = self.apparmor.as_deref().unwrap_or_default();
                let error = failed(format!("use AppArmor profile {name:?}"));
                Some(match errno {
                    libc::ENOENT => error.hint("no such profile is loaded: see apparmor_parser(8)"),
                    libc::EPERM | libc::EACCES => {
                        error.hint("the profile of this process does not allow the change")
                    }
                    _ => error,
                })
            }
            child::Failure::SELINUX => {
                let error =
                    failed(format!("use SELinux label {:?}", self.selinux.as_deref().unwrap_or_default()));
                Some(match errno {
                    libc::EINVAL => error.hint("the policy knows no such context"),
                    _ => error,
                })
            }
            _ => None,
        }
    }
}

/// The label of a new file system, and whether it is an option of it or an attribute of its root. The kernel
/// labels files of procfs and sysfs itself; mqueue takes no option (as with runc and crun).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountLabel {
    /// The option `context` (mount(8)).
    Context(String),
    /// `security.selinux`.
    Attribute(String),
}

impl MountLabel {
    /// That of one file system.
    pub fn of(fs: &str, label: Option<&str>) -> Option<Self> {
        match fs {
            "proc" | "sysfs" => None,
            "mqueue" => label.map(|label| Self::Attribute(label.to_owned())),
            _ => label.map(|label| Self::Context(label.to_owned())),
        }
    }
}

/// The label of mounts; none without SELinux, where no file has one (as with crun).
pub fn of_mounts(linux: &Linux) -> Option<String> {
    linux.mount_label().clone().filter(|label| !label.is_empty() && has_selinux())
}

/// Labels a terminal that was made before.
pub fn label_terminal(slave: BorrowedFd<'_>, label: &str) -> Result<()> {
    fsetxattr(slave, "security.selinux", label.as_bytes(), XattrFlags::empty())
        .map_err(|e| Error::io(format!("use label {label:?} for the terminal"), e))
}

fn missing(module: &str, what: &str) -> Error {
    Error::new(Kind::Unsupported, format!("{what}: the kernel has no {module}"))
}

/// Where SELinux is enabled, the kernel makes this directory.
fn has_selinux() -> bool {
    Path::new("/sys/fs/selinux").is_dir()
}

fn has_apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(apparmor: &str, selinux: &str) -> Process {
        let mut process = Process::default();
        process.set_apparmor_profile(Some(apparmor.to_owned())).set_selinux_label(Some(selinux.to_owned()));
        process
    }

    #[test]
    fn a_label_needs_its_module() {
        let of = |apparmor, selinux, has| Labels::where_there_is(&process(apparmor, selinux), has);
        let error = of("docker-default", "", (false, true)).unwrap_err();
        assert_eq!(error.to_string(), "AppArmor profile \"docker-default\": the kernel has no AppArmor");
        let error = of("", "u:r:t:s0", (true, false)).unwrap_err();
        assert_eq!(error.to_string(), "SELinux label \"u:r:t:s0\": the kernel has no SELinux");
        assert_eq!(error.kind(), Kind::Unsupported);
        assert_eq!(of("unconfined", "", (false, false)).unwrap(), Labels::default());
        assert_eq!(of("", "", (false, false)).unwrap(), Labels::default());
        assert!(of("a\nb", "", (true, true)).is_err());
    }

    #[test]
    fn the_stub_is_told_of_them_in_its_order() {
        let both = Labels::where_there_is(&process("p//sub", "u:r:t:s0:c1,c2"), (true, true)).unwrap();
        assert_eq!(both.arguments().collect::<Vec<_>>(), ["exec p//sub", "u:r:t:s0:c1,c2"]);
        assert_eq!((both.mode(), both.any()), ("as", true));
        let one = Labels::where_there_is(&process("unconfined", ""), (true, false)).unwrap();
        assert_eq!(
            (one.mode(), one.arguments().collect::<Vec<_>>()),
            ("a", vec!["exec unconfined".to_owned()])
        );
    }

    #[test]
    fn mounts_are_labelled_where_the_kernel_takes_it() {
        let label = "u:o:t:s0:c1,c2";
        let of = |fs| MountLabel::of(fs, Some(label));
        assert_eq!(of("tmpfs"), Some(MountLabel::Context(label.to_owned())));
        assert_eq!(of("mqueue"), Some(MountLabel::Attribute(label.to_owned())));
        assert_eq!((of("proc"), of("sysfs"), MountLabel::of("tmpfs", None)), (None, None, None));
    }
}
