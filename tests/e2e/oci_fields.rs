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
