//! The options of `ctr-run` and `ctr-create`: Docker's names, grammars and defaults.

mod filesystem;
mod limits;
mod network;
mod process;
mod security;

use std::collections::BTreeMap;

use types::request::Request;
use types::restart::Restart;
use types::{Error, Kind, Result};

/// Everything about the container that is wanted.
#[derive(Debug, clap::Args)]
pub struct ContainerArgs {
    /// Name of the container (default: a generated one)
    #[arg(long, value_name = "NAME", help_heading = "Container")]
    name: Option<String>,
    /// Remove the container when it ends
    #[arg(long, help_heading = "Container")]
    rm: bool,
    /// Start it again when it ends: no, on-failure[:N], always, unless-stopped
    #[arg(long, value_name = "POLICY", default_value = "no", help_heading = "Container")]
    restart: String,
    /// Write the container's id to FILE, which must not exist
    #[arg(long, value_name = "FILE", help_heading = "Container")]
    cidfile: Option<std::path::PathBuf>,
    /// Set a label (can be repeated)
    #[arg(short, long, value_name = "KEY[=VALUE]", help_heading = "Container")]
    label: Vec<String>,
    /// Read labels from FILE (can be repeated)
    #[arg(long, value_name = "FILE", help_heading = "Container")]
    label_file: Vec<String>,
    /// Set an annotation of the OCI configuration (can be repeated)
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Container")]
    annotation: Vec<String>,
    #[command(flatten)]
    image: ImageArgs,
    #[command(flatten)]
    process: process::ProcessArgs,
    #[command(flatten)]
    filesystem: filesystem::FilesystemArgs,
    #[command(flatten)]
    network: network::NetworkArgs,
    #[command(flatten)]
    limits: limits::LimitArgs,
    #[command(flatten)]
    security: security::SecurityArgs,
    /// Image, then the command and arguments that replace the image's own
    #[arg(value_name = "IMAGE [COMMAND [ARG]...]", required = true, trailing_var_arg = true)]
    operands: Vec<String>,
}

/// Where the image comes from if it is not there.
#[derive(Debug, Clone, clap::Args)]
pub struct ImageArgs {
    /// When to pull the image
    #[arg(long, value_name = "WHEN", value_parser = ["missing", "always", "never"], default_value = "missing", help_heading = "Image")]
    pull: String,
    /// Platform of the image: os/arch[/variant]
    #[arg(long, value_name = "PLATFORM", help_heading = "Image")]
    platform: Option<String>,
    /// Do not show the progress of a pull
    #[arg(short, long, help_heading = "Image")]
    quiet: bool,
}

impl ImageArgs {
    /// When to pull: `missing`, `always` or `never`.
    #[must_use]
    pub fn pull(&self) -> &str {
        &self.pull
    }

    /// The arguments of `img-pull` for an image.
    #[must_use]
    pub fn pull_arguments(&self, image: &str) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(platform) = &self.platform {
            arguments.push(format!("--platform={platform}"));
        }
        if self.quiet {
            arguments.push("--quiet".to_owned());
        }
        arguments.extend(["--".to_owned(), image.to_owned()]);
        arguments
    }

    /// The platform that was asked for.
    #[must_use]
    pub fn platform(&self) -> Option<&str> {
        self.platform.as_deref()
    }
}

impl ContainerArgs {
    /// Where the image comes from.
    #[must_use]
    pub const fn image(&self) -> &ImageArgs {
        &self.image
    }

    /// Makes the file that the id is to be written to.
    ///
    /// # Errors
    /// If it exists or cannot be made.
    pub fn cidfile(&self) -> anyhow::Result<crate::CidFile> {
        crate::CidFile::create(self.cidfile.as_deref())
    }

    /// What is wanted, as plain data.
    ///
    /// # Errors
    /// `Invalid` for a value that does not follow its grammar.
    pub fn request(&self) -> Result<Request> {
        let (image, args) =
            self.operands.split_first().ok_or_else(|| Error::new(Kind::Invalid, "no image"))?;
        let image =
            if image == "-" { crate::one(image).map_err(|e| stdin_error(&e))? } else { image.clone() };
        if let Some(name) = &self.name {
            types::name::check("container", name)?;
        }
        let restart = self.restart.parse()?;
        if self.rm && restart != Restart::No {
            return Err(Error::new(Kind::Invalid, "--rm and --restart exclude each other"));
        }
        let mut request = Request {
            restart,
            image,
            args: args.to_vec(),
            name: self.name.clone(),
            auto_remove: self.rm,
            labels: self.labels()?,
            annotations: self
                .annotation
                .iter()
                .map(|text| pair("annotation", text))
                .collect::<Result<_>>()?,
            command_line: std::env::args().collect(),
            ..Request::default()
        };
        self.process.apply(&mut request)?;
        self.filesystem.apply(&mut request)?;
        self.network.apply(&mut request)?;
        self.limits.apply(&mut request)?;
        self.security.apply(&mut request)?;
        Ok(request)
    }

    fn labels(&self) -> Result<BTreeMap<String, String>> {
        let mut labels = BTreeMap::new();
        for file in &self.label_file {
            labels.extend(types::env::label_file(file, &read(file)?)?);
        }
        labels.extend(types::env::labels(self.label.iter().map(String::as_str))?);
        Ok(labels)
    }
}

fn stdin_error(err: &anyhow::Error) -> Error {
    Error::new(Kind::Invalid, format!("{err:#}"))
}

/// Reads a file that an option names.
fn read(file: &str) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|e| Error::io(format!("read {file:?}"), e))
}

/// Splits `KEY=VALUE`.
fn pair(what: &str, text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::new(Kind::Invalid, format!("bad {what} {text:?}")).hint("write KEY=VALUE")),
    }
}
