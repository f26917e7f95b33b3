//! Messages, in the form that engines read: runc's.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

/// How a message looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `time="…" level=error msg="…"`.
    Text,
    /// `{"level":"error","msg":"…","time":"…"}`.
    Json,
}

/// Where messages go.
#[derive(Debug)]
pub struct Log {
    file: Option<PathBuf>,
    form: Form,
    /// The form was chosen: also what goes to standard error has it.
    strict: bool,
    debug: bool,
}

impl Log {
    /// Messages to a file, else to standard error. The file is opened when there is something to
    /// write: until then it must not take the number of a descriptor that a program is to get.
    pub const fn new(file: Option<PathBuf>, form: Form, strict: bool, debug: bool) -> Self {
        Self { file, form, strict, debug }
    }

    /// Tells an error, and ends with this status.
    pub fn fail(&self, err: &anyhow::Error, status: u8) -> ExitCode {
        if self.file.is_some() || self.strict {
            self.write("error", &cli::explain(err));
        }
        if self.file.is_some() || !self.strict {
            cli::report(err);
        }
        ExitCode::from(status)
    }

    /// Tells what went wrong and did not stop the command.
    pub fn warn(&self, err: &types::Error) {
        let mut chain = vec![types::error::phrase(err)];
        let mut next = std::error::Error::source(err);
        while let Some(link) = next {
            chain.push(types::error::phrase(link));
            next = link.source();
        }
        self.write("warning", &chain.join(": "));
    }

    /// Tells what is being done.
    pub fn debug(&self, what: &str) {
        if self.debug {
            self.write("debug", what);
        }
    }

    fn write(&self, level: &str, message: &str) {
        let line = self.line(level, message);
        let written = match &self.file {
            None => io::stderr().write_all(line.as_bytes()),
            Some(path) => {
                let open = OpenOptions::new().create(true).append(true).mode(0o644).open(path);
                open.and_then(|mut file| file.write_all(line.as_bytes()))
            }
        };
        if let Err(e) = written {
            cli::report(&anyhow::Error::new(e).context(format!("write log {:?}", self.file)));
        }
    }

    fn line(&self, level: &str, message: &str) -> String {
        let time = cli::now().to_string();
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self.form {
            Form::Json => format!(
                "{{\"level\":{},\"msg\":{},\"time\":{}}}\n",
                quoted(level),
                quoted(message),
                quoted(&time)
            ),
            Form::Text => format!("time={} level={level} msg={}\n", quoted(&time), quoted(message)),
        }
    }
}

/// Tells an error for which there is no log.
pub fn to_stderr(err: &anyhow::Error, status: u8) -> ExitCode {
    cli::report(err);
    ExitCode::from(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_those_that_engines_read() {
        let log = |form| Log::new(None, form, true, false).line("error", "say \"x\"\n");
        let json: serde_json::Value = serde_json::from_str(&log(Form::Json)).unwrap();
        assert_eq!((json["level"].as_str(), json["msg"].as_str()), (Some("error"), Some("say \"x\"\n")));
        assert!(log(Form::Json).starts_with("{\"level\":\"error\",\"msg\":"));
        assert!(log(Form::Text).contains(" level=error msg=\"say \\\"x\\\"\\n\"\n"));
    }
}
