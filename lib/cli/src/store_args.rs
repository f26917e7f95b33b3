//! Where the store is: option, environment, default.

use std::path::PathBuf;

use store::{Paths, Store};

/// The options that every tool has.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StoreArgs {
    /// Use the store in DIR (default: $LONGSHORE_ROOT, /var/lib/longshore)
    #[arg(long, value_name = "DIR", global = true)]
    root: Option<PathBuf>,
    /// Keep volatile state in DIR (default: $LONGSHORE_RUN, /run/longshore)
    #[arg(long, value_name = "DIR", global = true, hide = true)]
    run: Option<PathBuf>,
}

impl StoreArgs {
    /// Opens the store.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.paths())?)
    }

    /// Where the two trees are, for a tool that is run by this one.
    #[must_use]
    pub fn paths(&self) -> Paths {
        let root_user = rustix::process::geteuid().is_root();
        Paths {
            root: self.root.clone().or_else(|| var("LONGSHORE_ROOT")).unwrap_or_else(|| {
                if root_user { "/var/lib/longshore".into() } else { home("XDG_DATA_HOME", ".local/share") }
            }),
            run: self.run.clone().or_else(|| var("LONGSHORE_RUN")).unwrap_or_else(|| {
                if root_user { "/run/longshore".into() } else { home("XDG_RUNTIME_DIR", ".cache") }
            }),
        }
    }
}

fn var(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

fn home(name: &str, below: &str) -> PathBuf {
    let base = var(name).or_else(|| var("HOME").map(|h| h.join(below)));
    base.unwrap_or_else(|| PathBuf::from("/nonexistent")).join("longshore")
}
