//! SELinux labels as `--security-opt label=...` names them: part by part, the rest as usual for containers.

use crate::{Error, Kind, Result};

/// Parts of the labels of a container; what is not named is that of every container
/// (container_selinux(8)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    user: Option<String>,
    role: Option<String>,
    kind: Option<String>,
    file_kind: Option<String>,
    level: Option<String>,
}

impl Label {
    /// Reads one part, such as `type:web_t`, and keeps it.
    ///
    /// # Errors
    /// `Invalid` if there is no such part.
    pub fn set(&mut self, text: &str) -> Result<()> {
        let (part, value) = text.split_once(':').unwrap_or((text, ""));
        let place = match part {
            "user" => &mut self.user,
            "role" => &mut self.role,
            "type" => &mut self.kind,
            "filetype" => &mut self.file_kind,
            "level" => &mut self.level,
            _ => return Err(Error::new(Kind::Invalid, format!("a label has no {part:?}"))),
        };
        if value.is_empty() {
            return Err(Error::new(Kind::Invalid, format!("{part} of a label is empty")));
        }
        *place = Some(value.to_owned());
        Ok(())
    }

    /// The label of its processes.
    #[must_use]
    pub fn of_process(&self) -> String {
        self.with(self.role.as_deref().unwrap_or("system_r"), self.kind.as_deref().unwrap_or("container_t"))
    }

    /// The label of the file systems that are made for it.
    #[must_use]
    pub fn of_mounts(&self) -> String {
        self.with("object_r", self.file_kind.as_deref().unwrap_or("container_file_t"))
    }

    fn with(&self, role: &str, kind: &str) -> String {
        let user = self.user.as_deref().unwrap_or("system_u");
        format!("{user}:{role}:{kind}:{}", self.level.as_deref().unwrap_or("s0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_replace_those_of_every_container() {
        let mut label = Label::default();
        assert_eq!(label.of_process(), "system_u:system_r:container_t:s0");
        assert_eq!(label.of_mounts(), "system_u:object_r:container_file_t:s0");
        for part in ["type:web_t", "level:s0:c100,c200", "user:u", "role:r", "filetype:f_t"] {
            label.set(part).unwrap();
        }
        assert_eq!(label.of_process(), "u:r:web_t:s0:c100,c200");
        assert_eq!(label.of_mounts(), "u:object_r:f_t:s0:c100,c200");
        for bad in ["", "type", "type:", "colour:red"] {
            assert!(label.set(bad).is_err(), "{bad:?}");
        }
    }
}
