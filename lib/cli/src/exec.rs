//! The options of `ctr-exec`.

use types::request::ExecRequest;
use types::{Error, Kind, Result};

/// Everything about the program that is to run.
#[derive(Debug, clap::Args)]
pub struct ExecArgs {
    /// Keep standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Set a variable, or copy the caller's own (can be repeated)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read variables from FILE (can be repeated)
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,
    /// User and group, by name or number, as in the container's own /etc/passwd
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Working directory (default: the container's)
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// Give it all capabilities
    #[arg(long)]
    privileged: bool,
    /// Container, then the command and its arguments
    #[arg(value_name = "CONTAINER COMMAND [ARG]...", required = true, trailing_var_arg = true)]
    operands: Vec<String>,
}

impl ExecArgs {
    /// The container's name.
    ///
    /// # Errors
    /// `Invalid` if it is `-` and standard input does not hold one name.
    pub fn container(&self) -> anyhow::Result<String> {
        let name = self.operands.first().ok_or_else(|| Error::new(Kind::Invalid, "no container"))?;
        crate::one(name)
    }

    /// What is wanted, as plain data.
    ///
    /// # Errors
    /// `Invalid` for a value that does not follow its grammar.
    pub fn request(&self) -> Result<ExecRequest> {
        let own = |name: &str| std::env::var(name).ok();
        let mut env = Vec::new();
        for file in &self.env_file {
            let content = std::fs::read(file).map_err(|e| Error::io(format!("read {file:?}"), e))?;
            env.extend(types::env::file(file, &content, &own)?);
        }
        for text in &self.env {
            env.push(types::env::setting(text, &own)?);
        }
        let args = self.operands.get(1..).filter(|args| !args.is_empty());
        let args = args.ok_or_else(|| {
            Error::new(Kind::Invalid, "no command to run").hint("name one after the container")
        })?;
        Ok(ExecRequest {
            args: args.to_vec(),
            env,
            user: self.user.clone(),
            workdir: self.workdir.clone(),
            tty: self.tty,
            stdin_open: self.interactive,
            privileged: self.privileged,
        })
    }
}
