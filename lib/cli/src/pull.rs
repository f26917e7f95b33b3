//! A missing image is pulled by running `img-pull`: tools of containers hold no HTTP.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use store::Store;
use types::{Context, Error, Kind, Result};

use crate::{ImageArgs, StoreArgs};

impl ImageArgs {
    /// Calls `create`, with the image there: pulls it before if asked to or if it is of another
    /// platform, or after a first try that did not find it.
    ///
    /// # Errors
    /// Those of `create`; `Io` if the pull failed, which `img-pull` has explained on stderr.
    pub fn provide<T>(
        &self,
        args: &StoreArgs,
        store: &Store,
        image: &str,
        create: impl Fn(&str) -> Result<T>,
    ) -> Result<T> {
        if self.pull() == "always" || (self.pull() == "missing" && self.is_of_other_platform(store, image)?) {
            return create_pulled(image, &self.run_pull(args, image)?, create);
        }
        match create(image) {
            Err(e) if e.kind() == Kind::NotFound && self.pull() == "missing" => {
                create_pulled(image, &self.run_pull(args, image)?, create)
            }
            other => other,
        }
    }

    fn is_of_other_platform(&self, store: &Store, image: &str) -> Result<bool> {
        let Some(wanted) = self.platform() else { return Ok(false) };
        let wanted: types::platform::Platform = wanted.parse()?;
        Ok(store.image(image).is_ok_and(|image| image.platform != wanted.to_string()))
    }

    /// Pulls. Returns the name of what was pulled, with its digest.
    fn run_pull(&self, args: &StoreArgs, image: &str) -> Result<String> {
        let paths = args.paths();
        let out = Command::new(tool("img-pull"))
            .arg("--root")
            .arg(paths.root)
            .arg("--run")
            .arg(paths.run)
            .args(self.pull_arguments(image))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("run \"img-pull\"")?;
        if !out.status.success() {
            return Err(Error::new(Kind::Io, format!("pull {image:?}: img-pull: {}", out.status)));
        }
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }
}

/// The image is called as it was asked for, unless that name was an alias, of another registry's.
fn create_pulled<T>(image: &str, pulled: &str, create: impl Fn(&str) -> Result<T>) -> Result<T> {
    match create(image) {
        Err(e) if e.kind() == Kind::NotFound && !pulled.is_empty() => create(pulled),
        other => other,
    }
}

/// A tool of ours: beside this one, where they are installed together, else on the path.
fn tool(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|me| Some(me.parent()?.join(name)));
    beside.filter(|path| path.exists()).unwrap_or_else(|| name.into())
}
