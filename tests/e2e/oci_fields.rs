//! Fields of a bundle's configuration that somebody outside takes part in.

use serde_json::{Value, json};
use tests::Env;

#[test]
fn an_agent_gets_the_listener_of_the_filter_with_the_state() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("/bin/busybox mkdir /dev/shm/x");
    let socket = env.dir().join("agent");
    bundle.edit(|config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": socket, "listenerMetadata": "word",
            "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }],
        });
    });
    bundle.run().status(1).stderr_has("failed to connect with seccomp agent");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    // Read without a place for descriptors: the listener is closed, and the call is not known any more.
    let agent = std::thread::spawn(move || {
        let mut text = String::new();
        let (mut peer, _) = listener.accept().unwrap();
        std::io::Read::read_to_string(&mut peer, &mut text).unwrap();
        text
    });
    bundle.run().status(1).stderr_has("Function not implemented");
    let state: Value = serde_json::from_str(&agent.join().unwrap()).unwrap();
    assert_eq!((&state["fds"][0], &state["metadata"]), (&json!("seccompFd"), &json!("word")));
    assert_eq!((&state["state"]["id"], &state["state"]["status"]), (&json!(bundle.id()), &json!("creating")));
    assert!(state["pid"].as_u64().unwrap() > 1 && state["pid"] == state["state"]["pid"], "{state}");
}

#[test]
fn a_program_tells_that_it_is_ready_and_a_supervisor_hears_it() {
    needs!(Root);
    let env = Env::new();
    // Waits until the word has been passed on: what is read then is all that there will be.
    let bundle = env.bundle("echo $NOTIFY_SOCKET $LISTEN_FDNAMES $LISTEN_PID; exec /bin/busybox sleep 60");
    let host = std::os::unix::net::UnixDatagram::bind(env.dir().join("supervisor")).unwrap();
    let with = format!("NOTIFY_SOCKET={}/supervisor", env.dir().display());
    let id = bundle.id();
    let state = env.sh(&format!("{with} ctr-oci create -b bundle {id} >out 2>&1 </dev/null")).run();
    state.ok();
    let starting = std::thread::scope(|scope| {
        let start = scope.spawn(|| env.sh(&format!("{with} ctr-oci start {id}")).run().ok().took());
        bundle.until("running");
        let say = "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); \
            s.sendto(bytes([10]).join([b'STATUS=x', b'READY=1']), 'notify.sock')";
        env.sh(&format!("cd \"$LONGSHORE_RUN/oci/{id}/notify\" && python3 -c \"{say}\"")).run().ok();
        let mut buffer = [0; 100];
        let length = host.recv(&mut buffer).unwrap();
        let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(said.starts_with("MAINPID=") && said.ends_with("\nREADY=1"), "{said:?}");
        let length = host.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"BARRIER=1");
        start.join().unwrap()
    });
    assert!(starting < std::time::Duration::from_secs(30));
    bundle.oci(&["delete", "-f"]).run().ok();
    let out = std::fs::read_to_string(env.dir().join("out")).unwrap();
    assert_eq!(out, "/run/notify/notify.sock\n");
}

#[test]
fn what_cannot_be_given_is_told_and_stops_nothing() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("exec /bin/busybox sleep 60");
    // Without the capability ourselves, in a group that has a process.
    bundle.edit(|config| {
        config["linux"]["cgroupsPath"] = json!(format!("/{}shared", bundle.id()));
        config["process"]["capabilities"]["bounding"] = json!(["CAP_KILL", "CAP_SYS_TIME"]);
    });
    bundle.leave("run -d").ok();
    let two = format!("{}two", bundle.id());
    let line = format!(
        "setpriv --bounding-set -sys_time --inh-caps -sys_time -- \
        sh -c 'ctr-oci --log log --log-format json run -d -b bundle {two} >out 2>&1 </dev/null'"
    );
    env.sh(&line).run().ok();
    let log = std::fs::read_to_string(env.dir().join("log")).unwrap();
    assert!(log.lines().all(|line| line.contains("\"level\":\"warning\"")), "{log}");
    assert!(log.contains("container's cgroup is not empty: 1 process(es) found"), "{log}");
    assert!(log.contains("capabilities cannot be granted, the program runs without: CAP_SYS_TIME"), "{log}");
    let odd = bundle.exec(&["--cap", "CAP_ODD"], &["sh", "-c", "exit 3"]);
    odd.status(3).stderr_has("unknown capability \\\"CAP_ODD\\\"");
    env.tool("ctr-oci").args(["delete", "-f", &two]).run().stderr_has("it holds other processes");
    bundle.oci(&["delete", "-f"]).run().ok();
}
