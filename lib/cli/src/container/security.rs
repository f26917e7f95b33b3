//! Options about privileges.

use types::request::{Request, Seccomp};
use types::{Context, Error, Kind, Result};

use super::{pair, read};

#[derive(Debug, clap::Args)]
pub(super) struct SecurityArgs {
    /// Add a capability, or ALL (can be repeated)
    #[arg(long, value_name = "CAP", help_heading = "Security")]
    cap_add: Vec<String>,
    /// Drop a capability, or ALL (can be repeated)
    #[arg(long, value_name = "CAP", help_heading = "Security")]
    cap_drop: Vec<String>,
    /// Give all capabilities and devices, and no system call filter
    #[arg(long, help_heading = "Security")]
    privileged: bool,
    /// seccomp=FILE|unconfined, no-new-privileges, apparmor=PROFILE, label=PART:VALUE|disable, systempaths=unconfined (can be repeated)
    #[arg(long, value_name = "OPTION", help_heading = "Security")]
    security_opt: Vec<String>,
    /// Set a kernel parameter of the container's own namespaces (can be repeated)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Security")]
    sysctl: Vec<String>,
}

impl SecurityArgs {
    pub(super) fn apply(&self, request: &mut Request) -> Result<()> {
        request.cap_add.clone_from(&self.cap_add);
        request.cap_drop.clone_from(&self.cap_drop);
        request.privileged = self.privileged;
        request.sysctls =
            self.sysctl.iter().map(|text| pair("kernel parameter", text)).collect::<Result<_>>()?;
        for option in &self.security_opt {
            apply_option(option, request)?;
        }
        Ok(())
    }
}

fn apply_option(option: &str, request: &mut Request) -> Result<()> {
    // Docker takes a colon as well, which it calls deprecated.
    let (key, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
    let security = &mut request.security;
    match (key, value) {
        ("no-new-privileges", "" | "true") => security.no_new_privileges = true,
        ("no-new-privileges", "false") => security.no_new_privileges = false,
        ("seccomp", "unconfined") => security.seccomp = Seccomp::Unconfined,
        ("seccomp", "builtin") => security.seccomp = Seccomp::Default,
        ("seccomp", file) if !file.is_empty() => {
            let text = String::from_utf8(read(file)?)
                .map_err(|e| Error::because(Kind::Invalid, format!("read {file:?}"), e))?;
            security.seccomp = Seccomp::Profile(text);
        }
        ("systempaths", "unconfined") => security.systempaths_unconfined = true,
        ("apparmor", profile) if !profile.is_empty() => security.apparmor = Some(profile.to_owned()),
        ("label", "disable") => security.label = None,
        ("label", part) => security
            .label
            .get_or_insert_default()
            .set(part)
            .with_context(|| format!("bad --security-opt {option:?}"))?,
        ("writable-cgroups" | "mask" | "unmask" | "proc-opts", _) => {
            return Err(Error::new(
                Kind::Unsupported,
                format!("--security-opt {option:?}: not supported yet"),
            ));
        }
        _ => {
            return Err(Error::new(Kind::Invalid, format!("bad --security-opt {option:?}"))
                .hint("seccomp=FILE|unconfined, no-new-privileges, apparmor=PROFILE, label=PART:VALUE or systempaths=unconfined"));
        }
    }
    Ok(())
}
