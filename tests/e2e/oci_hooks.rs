//! Hooks of a bundle: when they run, what they are told, and what their failure does.

use std::fs;

use serde_json::{Value, json};
use tests::Env;

/// A hook that is a line of shell.
fn hook(line: &str) -> Value {
    json!([{ "path": "/bin/sh", "args": ["sh", "-c", line], "env": ["PATH=/bin:/usr/bin"] }])
}

#[test]
fn hooks_run_after_the_start_and_after_the_end_and_a_failure_ends_the_container() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("exec /bin/busybox sleep 60");
    let tells =
        |word: &str| hook(&format!("grep -o '\"status\": *\"[a-z]*' >>{}/{word}", env.dir().display()));
    let told = |word: &str| fs::read_to_string(env.dir().join(word)).unwrap();
    bundle.edit(|config| {
        config["hooks"] = json!({ "poststart": tells("started"), "poststop": tells("stopped") });
    });
    bundle.leave("create").ok();
    bundle.oci(&["start"]).run().ok();
    assert!(told("started").ends_with("running\n"));
    bundle.exec(&["--apparmor", "x"], &["true"]).status(255).stderr_has("AppArmor profile \"x\"");
    bundle.oci(&["delete", "--force"]).run().ok();
    assert!(told("stopped").ends_with("stopped\n"));

    for stage in ["prestart", "createRuntime", "createContainer", "startContainer"] {
        bundle.edit(|config| {
            config["hooks"] = json!({ stage: hook("echo no >&2; exit 5"), "poststop": tells(stage) });
        });
        let words = format!("error running {stage} hook #0: hook \"/bin/sh\" ended with status 5: no");
        bundle.run().status(1).stderr_has(&words);
        assert!(told(stage).ends_with("stopped\n"), "{stage}");
    }
    // The last one fails again, now with nobody but start to tell it.
    bundle.leave("create").ok();
    let words = "error running startContainer hook #0: hook \"/bin/sh\" ended with status 5";
    bundle.oci(&["start"]).run().status(1).stderr_has(words);
    bundle.until("stopped");
    bundle.oci(&["delete"]).run().ok();
    env.tool("ctr-oci").args(["list", "-q"]).run().ok().stdout("");
}

/// Version 1.2 of the specification changed what the failure of a hook after the start means.
#[test]
fn a_failing_hook_after_the_start_means_what_the_version_of_the_configuration_says() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("exec /bin/busybox sleep 60");
    bundle.edit(|config| {
        let mut hooks = hook("exit 3");
        hooks.as_array_mut().unwrap().extend(hook("touch second").as_array().unwrap().clone());
        config["hooks"] = json!({ "poststart": hooks });
        config["ociVersion"] = Value::from("1.1.0");
    });
    bundle.leave("create").ok();
    bundle.oci(&["start"]).run().ok().stderr_has("error running poststart hook").stderr_has("status 3");
    bundle.oci(&["state"]).run().ok().stdout_has("running");
    assert!(env.dir().join("second").exists());
    bundle.oci(&["delete", "-f"]).run().ok();

    bundle.edit(|config| config["ociVersion"] = Value::from("1.2.0"));
    bundle.leave("create").ok();
    bundle.oci(&["start"]).run().status(1).stderr_has("error running poststart hook");
    bundle.until("stopped");
    bundle.oci(&["delete"]).run().ok();
}

#[test]
fn hooks_are_told_the_process_in_the_numbers_of_their_place() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("/bin/busybox cat /state >/seen");
    bundle.edit(|config| {
        config["root"]["readonly"] = Value::Bool(false);
        config["hooks"] = json!({
            "createRuntime": hook("cat >../early; pwd >../cwd"),
            "createContainer": hook("cat >state"),
        });
        config["annotations"] = json!({ "a.b": "c" });
    });
    bundle.run().ok();
    let state = |name: &str| serde_json::from_slice(&fs::read(env.dir().join(name)).unwrap()).unwrap();
    let (inside, early): (Value, Value) = (state("bundle/rootfs/seen"), state("early"));
    let dir = fs::canonicalize(env.dir().join("bundle")).unwrap();
    for state in [&inside, &early] {
        assert_eq!((&state["id"], &state["status"]), (&Value::from(bundle.id()), &Value::from("creating")));
        assert_eq!(state["bundle"], dir.to_str().unwrap());
        assert_eq!(state["annotations"]["a.b"], "c");
    }
    assert!(early["pid"].as_u64().unwrap() > 1 && inside["pid"] == 1, "{early} {inside}");
    let cwd = fs::read_to_string(env.dir().join("cwd")).unwrap();
    assert_eq!(cwd.trim_end(), dir.to_str().unwrap());
}

/// What runc and crun do, and hooks that were written for them expect.
#[test]
fn a_hook_without_an_environment_has_that_of_its_place() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle(":");
    let tells = |name: &str| {
        let line = format!("echo \"of the host: $OF_HOST, of the program: $OWN\" >{name}");
        json!([{ "path": "/bin/sh", "args": ["sh", "-c", line] }])
    };
    bundle.edit(|config| {
        config["root"]["readonly"] = Value::Bool(false);
        config["process"]["env"] = json!(["PATH=/bin", "OWN=yes"]);
        let (host, inside) = (env.dir().join("host"), env.dir().join("bundle/rootfs/inside"));
        config["hooks"] = json!({
            "createRuntime": tells(host.to_str().unwrap()),
            "createContainer": tells(inside.to_str().unwrap()),
            "startContainer": tells("/start"),
        });
    });
    bundle.oci(&["run", "-b", "bundle"]).var("OF_HOST", "yes").run().ok();
    let told = |name: &str| fs::read_to_string(env.dir().join(name)).unwrap();
    assert_eq!(told("host"), "of the host: yes, of the program: \n");
    for inside in ["bundle/rootfs/inside", "bundle/rootfs/start"] {
        assert_eq!(told(inside), "of the host: , of the program: yes\n");
    }
}

/// Whoever makes or starts a container waits for its hooks, so that nothing that these ask may wait for it.
#[test]
fn hooks_may_ask_for_the_state_and_change_what_is_there_and_wait_for_nobody() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("exec /bin/busybox sleep 60");
    let (id, dir) = (bundle.id(), env.dir());
    let dir = dir.display();
    let place = env.sh("echo PATH=$PATH; echo LONGSHORE_RUN=$LONGSHORE_RUN").run().ok().text();
    let place: Vec<_> = place.lines().collect();
    let asks = |stage: &str| {
        let line = format!(
            "{{ ctr-oci state {id}; for verb in pause start delete; do ctr-oci $verb {id}; echo $verb $?; done; }} 2>&1 \
            | sed 's/^.*status\": \"/is /; s/\",$//; /^is\\|^pause\\|^start\\|^delete/!d' >{dir}/{stage}"
        );
        json!([{ "path": "/bin/sh", "args": ["sh", "-c", line], "env": place }])
    };
    let stages = ["prestart", "createRuntime", "createContainer"];
    let poststart =
        format!("ctr-oci pause {id} && ctr-oci state {id} | grep -c paused >{dir}/post; ctr-oci resume {id}");
    bundle.edit(|config| {
        config["hooks"] = stages.iter().map(|stage| ((*stage).to_owned(), asks(stage))).collect();
        config["hooks"]["poststart"] = json!([{ "path": "/bin/sh", "args": ["sh", "-c", poststart] }]);
    });
    bundle.leave("create").ok();
    let told = |name: &str| fs::read_to_string(env.dir().join(name)).unwrap();
    for stage in stages {
        assert_eq!(told(stage), "is creating\npause 1\nstart 1\ndelete 1\n", "{stage}");
    }
    env.sh(&format!("ctr-oci state {id}")).run().ok().stdout_has("\"created\"");
    env.sh(&format!("ctr-oci start {id}")).run().ok();
    assert_eq!(told("post"), "1\n");
    bundle.oci(&["delete", "-f"]).run().ok();
}
