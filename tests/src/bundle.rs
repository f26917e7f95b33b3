//! A bundle for `ctr-oci`: busybox, a configuration to be changed, and an id that is free.

use std::fs;

use serde_json::Value;

use crate::{Env, Output, Tool};

/// One bundle of a test, and the container that is made of it.
#[derive(Debug)]
pub struct Bundle<'e> {
    env: &'e Env,
    id: String,
}

impl Env {
    /// Makes a bundle in `bundle` whose program is this line of shell.
    pub fn bundle(&self, line: &str) -> Bundle<'_> {
        self.sh("mkdir -p bundle/rootfs/bin && cp \"$(command -v busybox)\" bundle/rootfs/bin && ln -s busybox bundle/rootfs/bin/sh")
            .run()
            .ok();
        self.tool("ctr-oci").args(["spec", "-b", "bundle"]).run().ok();
        // Control groups are the machine's, so the name of the store is in the id.
        let dir = self.dir();
        let store = dir.parent().and_then(|dir| dir.file_name()).unwrap_or_default();
        let bundle = Bundle { env: self, id: store.to_string_lossy().replace('.', "") };
        bundle.edit(|config| {
            config["process"]["terminal"] = Value::Bool(false);
            config["process"]["args"] = Value::from(vec!["sh", "-c", line]);
        });
        bundle
    }
}

impl Bundle<'_> {
    /// The id of its container.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Changes the configuration.
    pub fn edit(&self, change: impl FnOnce(&mut Value)) {
        let path = self.env.dir().join("bundle/config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut config);
        fs::write(&path, config.to_string()).unwrap();
    }

    /// `ctr-oci ARGS`, the id behind them.
    pub fn oci(&self, args: &[&str]) -> Tool<'_> {
        self.env.tool("ctr-oci").args(args).arg(&self.id)
    }

    /// `ctr-oci run` of the bundle.
    pub fn run(&self) -> Output<'_> {
        self.oci(&["run", "-b", "bundle"]).run()
    }

    /// `ctr-oci ARGS -b bundle ID` whose program stays; what that writes goes to the file `out`.
    pub fn leave(&self, args: &str) -> Output<'_> {
        self.env.sh(&format!("ctr-oci {args} -b bundle {} >out 2>&1 </dev/null", self.id)).run()
    }

    /// `ctr-oci exec ID PROGRAM`.
    pub fn exec(&self, options: &[&str], program: &[&str]) -> Output<'_> {
        self.env.tool("ctr-oci").arg("exec").args(options).arg(&self.id).args(program).run()
    }

    /// Waits until the container's state has a word.
    pub fn until(&self, status: &str) {
        self.env
            .sh(&format!("until ctr-oci state {} | grep -q '\"{status}\"'; do sleep 0.01; done", self.id))
            .run()
            .ok();
    }
}
