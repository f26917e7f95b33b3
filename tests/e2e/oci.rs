//! Bundles, behind the command line of OCI runtimes.

use std::fs;

use serde_json::Value;
use tests::Env;

/// A bundle of busybox in `bundle`, whose program is this line of shell.
fn bundle(env: &Env, line: &str) {
    env.sh("mkdir -p bundle/rootfs/bin && cp \"$(command -v busybox)\" bundle/rootfs/bin && ln -s busybox bundle/rootfs/bin/sh")
        .run()
        .ok();
    env.tool("ctr-oci").args(["spec", "-b", "bundle"]).run().ok();
    let path = env.dir().join("bundle/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["process"]["terminal"] = Value::Bool(false);
    config["process"]["args"] = Value::from(vec!["sh", "-c", line]);
    fs::write(&path, config.to_string()).unwrap();
}

/// The id has the name of the store in it: control groups are the machine's.
fn id(env: &Env) -> String {
    let dir = env.dir();
    let name = dir.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    name.replace('.', "")
}

#[test]
fn run_shows_what_the_program_writes_ends_with_its_status_and_leaves_nothing() {
    needs!(Root);
    let env = Env::new();
    bundle(&env, "echo hello; exit 7");
    env.tool("ctr-oci").args(["run", "-b", "bundle", &id(&env)]).run().status(7).stdout("hello\n").stderr("");
    env.tool("ctr-oci").args(["list", "-q"]).run().ok().stdout("");
}

#[test]
fn a_created_container_waits_runs_and_is_deleted_only_when_it_has_ended() {
    needs!(Root);
    let env = Env::new();
    bundle(&env, "echo up; exec /bin/busybox sleep 60");
    let id = id(&env);
    let oci = |args: &[&str]| env.tool("ctr-oci").args(args).arg(&id).run();
    let status = |word: &str| oci(&["state"]).ok().stdout_has(&format!("\"status\": \"{word}\""));
    env.sh(&format!("ctr-oci create -b bundle --pid-file pid {id} >out 2>&1 </dev/null")).run().ok();
    status("created");
    assert_eq!(fs::read_to_string(env.dir().join("out")).unwrap(), "");
    oci(&["delete"]).status(1).stderr_has("that is not stopped: created");
    oci(&["start"]).ok();
    status("running");
    oci(&["start"]).status(1).stderr_has("cannot start an already running container");
    env.tool("ctr-oci").args(["exec", &id, "sh", "-c", "exit 9"]).run().status(9);
    env.tool("ctr-oci").args(["exec", &id, "not-there"]).run().status(255).stderr_has("no such file");
    env.tool("ctr-oci").args(["kill", &id, "KILL"]).run().ok();
    env.sh(&format!("until ctr-oci state {id} | grep -q stopped; do sleep 0.01; done")).run().ok();
    oci(&["kill"]).status(1).stderr_has("container not running");
    oci(&["delete"]).ok();
    oci(&["state"]).status(1).stderr_has("does not exist");
}

#[test]
fn a_program_that_is_not_there_fails_at_create_and_is_told_in_the_log() {
    needs!(Root);
    let env = Env::new();
    bundle(&env, "");
    let path = env.dir().join("bundle/config.json");
    let text = fs::read_to_string(&path).unwrap().replace("[\"sh\",\"-c\",\"\"]", "[\"not-there\"]");
    fs::write(&path, text).unwrap();
    let line = format!("ctr-oci --log log --log-format json create -b bundle {} </dev/null", id(&env));
    env.sh(&line).run().status(1).stderr_has("not-there");
    let log: Value = serde_json::from_slice(&fs::read(env.dir().join("log")).unwrap()).unwrap();
    assert_eq!(log["level"], "error");
    assert!(log["msg"].as_str().unwrap().contains("no such file or directory"), "{log}");
    env.tool("ctr-oci").args(["list", "-q"]).run().ok().stdout("");
}

#[test]
fn hooks_run_after_the_start_and_after_the_end_and_a_failure_ends_the_container() {
    needs!(Root);
    let env = Env::new();
    bundle(&env, "exec /bin/busybox sleep 60");
    let path = env.dir().join("bundle/config.json");
    let plain: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let hook = |word: &str| {
        let line = format!("grep -o '\"status\": *\"[a-z]*' >>{}/{word}", env.dir().display());
        serde_json::json!([{ "path": "/bin/sh", "args": ["sh", "-c", line] }])
    };
    let mut config = plain.clone();
    config["hooks"] = serde_json::json!({ "poststart": hook("started"), "poststop": hook("stopped") });
    fs::write(&path, config.to_string()).unwrap();
    let id = id(&env);
    env.sh(&format!("ctr-oci create -b bundle {id} >out 2>&1 </dev/null && ctr-oci start {id}")).run().ok();
    assert!(fs::read_to_string(env.dir().join("started")).unwrap().ends_with("running\n"));
    env.tool("ctr-oci")
        .args(["exec", "--apparmor", "x", &id, "sh", "-c", "true"])
        .run()
        .status(255)
        .stderr_has("AppArmor profile is not supported");
    env.tool("ctr-oci").args(["delete", "--force", &id]).run().ok();
    assert!(fs::read_to_string(env.dir().join("stopped")).unwrap().ends_with("stopped\n"));

    let failing = serde_json::json!([{ "path": "/bin/sh", "args": ["sh", "-c", "echo no >&2; exit 5"] }]);
    for stage in ["prestart", "createRuntime", "createContainer", "startContainer"] {
        config["hooks"] = serde_json::json!({ stage: failing, "poststop": hook(stage) });
        fs::write(&path, config.to_string()).unwrap();
        let words = format!("error running {stage} hook #0: hook \"/bin/sh\" ended with status 5: no");
        env.tool("ctr-oci").args(["run", "-b", "bundle", &id]).run().status(1).stderr_has(&words);
        assert!(fs::read_to_string(env.dir().join(stage)).unwrap().ends_with("stopped\n"), "{stage}");
    }
    // The last one failed again, now with nobody but start to tell it.
    env.sh(&format!("ctr-oci create -b bundle {id} >out 2>&1 </dev/null")).run().ok();
    let words = "error running startContainer hook #0: hook \"/bin/sh\" ended with status 5";
    env.tool("ctr-oci").args(["start", &id]).run().status(1).stderr_has(words);
    env.sh(&format!("until ctr-oci state {id} | grep -q stopped; do sleep 0.01; done")).run().ok();
    env.tool("ctr-oci").args(["delete", &id]).run().ok();
    env.tool("ctr-oci").args(["list", "-q"]).run().ok().stdout("");
}

#[test]
fn hooks_are_told_the_process_in_the_numbers_of_their_place() {
    needs!(Root);
    let env = Env::new();
    bundle(&env, "/bin/busybox cat /state >/seen");
    let path = env.dir().join("bundle/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let hook = |script: &str| serde_json::json!([{ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin"] }]);
    config["root"]["readonly"] = Value::Bool(false);
    config["hooks"] = serde_json::json!({
        "createRuntime": hook("cat >../early; pwd >../cwd"),
        "createContainer": hook("cat >state"),
    });
    config["annotations"] = serde_json::json!({ "a.b": "c" });
    fs::write(&path, config.to_string()).unwrap();
    env.tool("ctr-oci").args(["run", "-b", "bundle", &id(&env)]).run().ok();
    let inside: Value =
        serde_json::from_slice(&fs::read(env.dir().join("bundle/rootfs/seen")).unwrap()).unwrap();
    let early: Value = serde_json::from_slice(&fs::read(env.dir().join("early")).unwrap()).unwrap();
    let bundle = fs::canonicalize(env.dir().join("bundle")).unwrap();
    for state in [&inside, &early] {
        assert_eq!((&state["id"], &state["status"]), (&Value::from(id(&env)), &Value::from("creating")));
        assert_eq!(state["bundle"], bundle.to_str().unwrap());
        assert_eq!(state["annotations"]["a.b"], "c");
    }
    assert!(early["pid"].as_u64().unwrap() > 1 && inside["pid"] == 1, "{early} {inside}");
    let cwd = fs::read_to_string(env.dir().join("cwd")).unwrap();
    assert_eq!(cwd.trim_end(), bundle.to_str().unwrap());
}

#[test]
fn who_shares_the_control_group_of_a_deleted_container_lives_on() {
    needs!(Root);
    let env = Env::new();
    bundle(&env, "exec /bin/busybox sleep 60");
    let path = env.dir().join("bundle/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let (one, two) = (format!("{}one", id(&env)), format!("{}two", id(&env)));
    config["linux"]["cgroupsPath"] = Value::from(format!("/{}shared", id(&env)));
    fs::write(&path, config.to_string()).unwrap();
    for id in [&one, &two] {
        env.sh(&format!("ctr-oci run -d -b bundle {id} >out 2>&1 </dev/null")).run().ok();
    }
    env.tool("ctr-oci").args(["delete", "-f", &one]).run().stderr_has("it holds other processes");
    env.tool("ctr-oci").args(["state", &two]).run().ok().stdout_has("\"status\": \"running\"");
    env.tool("ctr-oci").args(["delete", "-f", &two]).run().ok();
    env.tool("ctr-oci").args(["list", "-q"]).run().ok().stdout("");
}
