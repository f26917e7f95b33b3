//! Options about what is mounted.

use types::mount;
use types::request::Request;
use types::{Context, Error, Kind, Result};

#[derive(Debug, clap::Args)]
pub(super) struct FilesystemArgs {
    /// Mount a directory of the host or a volume (can be repeated)
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]", help_heading = "Files")]
    volume: Vec<String>,
    /// Mount something: type=bind|volume|tmpfs,source=…,target=… (can be repeated)
    #[arg(long, value_name = "KEY=VALUE,...", help_heading = "Files")]
    mount: Vec<String>,
    /// Mount memory (can be repeated)
    #[arg(long, value_name = "TARGET[:OPTIONS]", help_heading = "Files")]
    tmpfs: Vec<String>,
    /// Forbid writing to the root file system
    #[arg(long, help_heading = "Files")]
    read_only: bool,
    /// Size of /dev/shm (default: 64m)
    #[arg(long, value_name = "SIZE", help_heading = "Files")]
    shm_size: Option<String>,
}

impl FilesystemArgs {
    pub(super) fn apply(&self, request: &mut Request) -> Result<()> {
        let cwd = std::env::current_dir().context("find the current directory")?;
        for text in &self.volume {
            request.mounts.push(mount::volume(text, &cwd)?);
        }
        for text in &self.mount {
            request.mounts.push(mount::mount(text, &cwd)?);
        }
        for text in &self.tmpfs {
            request.mounts.push(mount::tmpfs(text)?);
        }
        if let Some(target) = mount::duplicate(&request.mounts) {
            return Err(Error::new(Kind::Invalid, format!("two mounts have the target {target:?}")));
        }
        request.read_only = self.read_only;
        request.shm_size = self.shm_size.as_deref().map(types::size::bytes).transpose()?;
        Ok(())
    }
}
