//! Options about the program that runs.

use types::request::Request;
use types::{Error, Kind, Result};

use super::read;

#[derive(Debug, clap::Args)]
pub(super) struct ProcessArgs {
    /// Keep standard input open
    #[arg(short, long, help_heading = "Process")]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long, help_heading = "Process")]
    tty: bool,
    /// Set a variable, or copy the caller's own (can be repeated)
    #[arg(short, long, value_name = "NAME[=VALUE]", help_heading = "Process")]
    env: Vec<String>,
    /// Read variables from FILE (can be repeated)
    #[arg(long, value_name = "FILE", help_heading = "Process")]
    env_file: Vec<String>,
    /// Program instead of the image's entrypoint; empty for none
    #[arg(long, value_name = "PROGRAM", help_heading = "Process")]
    entrypoint: Option<String>,
    /// User and group, by name or number, as in the container's own /etc/passwd
    #[arg(short, long, value_name = "USER[:GROUP]", help_heading = "Process")]
    user: Option<String>,
    /// Additional group (can be repeated)
    #[arg(long, value_name = "GROUP", help_heading = "Process")]
    group_add: Vec<String>,
    /// Working directory
    #[arg(short, long, value_name = "DIR", help_heading = "Process")]
    workdir: Option<String>,
    /// Run a small init that passes on signals and reaps
    #[arg(long, help_heading = "Process")]
    init: bool,
    /// Signal that ctr-stop sends
    #[arg(long, value_name = "SIGNAL", help_heading = "Process")]
    stop_signal: Option<String>,
    /// Seconds that ctr-stop waits before it kills; -1 for ever
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true, help_heading = "Process")]
    stop_timeout: Option<i64>,
}

impl ProcessArgs {
    pub(super) fn apply(&self, request: &mut Request) -> Result<()> {
        let own = |name: &str| std::env::var(name).ok();
        for file in &self.env_file {
            request.env.extend(types::env::file(file, &read(file)?, &own)?);
        }
        for text in &self.env {
            request.env.push(types::env::setting(text, &own)?);
        }
        if let Some(dir) = &self.workdir
            && !dir.starts_with('/')
        {
            return Err(Error::new(Kind::Invalid, format!("bad working directory {dir:?}: not absolute")));
        }
        request.stdin_open = self.interactive;
        request.tty = self.tty;
        request.entrypoint = self.entrypoint.as_ref().map(|text| entrypoint(text)).transpose()?;
        request.user.clone_from(&self.user);
        request.groups.clone_from(&self.group_add);
        request.workdir.clone_from(&self.workdir);
        request.init = self.init;
        request.stop_signal = self.stop_signal.as_deref().map(types::signal::parse).transpose()?;
        request.stop_timeout = self.stop_timeout;
        Ok(())
    }
}

/// One program, or podman's JSON array of a program and its arguments. Empty takes the image's away.
fn entrypoint(text: &str) -> Result<Vec<String>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.starts_with('[') {
        return serde_json::from_str(text)
            .map_err(|e| Error::because(Kind::Invalid, format!("bad entrypoint {text:?}"), e));
    }
    Ok(vec![text.to_owned()])
}
