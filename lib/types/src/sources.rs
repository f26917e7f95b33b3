//! Where images come from, as this machine and its user have it: the texts of files, found by `cli`, which
//! links no HTTP, and understood by `image`.

use std::path::PathBuf;

/// A file of the configuration: its name, for messages, and its text.
pub type File = (String, String);

/// All that says where images come from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The files of containers-registries.conf(5), in their order: a later one replaces what it mentions.
    pub registries: Vec<File>,
    /// The aliases that podman has recorded, if there are any.
    pub recorded: Option<File>,
    /// The files with logins: the first one that has a login for a registry wins.
    pub logins: Vec<File>,
    /// The directories of certificates, each with directories called `HOST[:PORT]`.
    pub certificates: Vec<PathBuf>,
    /// Where tokens are kept for the next process.
    pub tokens: Option<PathBuf>,
}

impl std::fmt::Debug for Sources {
    /// Without texts, since some hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |files: &[File]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("Sources")
            .field("registries", &names(&self.registries))
            .field("logins", &names(&self.logins))
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}
