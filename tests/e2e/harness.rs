//! The harness itself: if it cannot see a leak, no test can.

use std::time::Duration;

use tests::Env;
use tests::http::{Fault, Registry};

#[test]
fn a_machine_has_a_loopback_and_the_registry_and_nothing_else() {
    needs!(Root);
    let env = Env::online();
    env.program("ip").args(["-o", "link"]).run().ok().stdout_has("lo:").stdout_lacks("eth0").stderr("");
    env.sh("curl -fsS http://127.0.0.1:5000/v2/library/busybox/tags/list").run().ok().stdout_has("1.36");
}

#[test]
fn the_lan_reaches_the_machine_and_the_other_way_round() {
    needs!(Root);
    let env = Env::new();
    let lan = env.lan();
    assert!(lan.ip("-o -4 address show dev lan0").contains("192.0.2.2/24"));
    let listener = env.machine().enter(|| std::net::TcpListener::bind("192.0.2.1:7000")).unwrap();
    lan.enter(|| {
        std::net::TcpStream::connect_timeout(&"192.0.2.1:7000".parse().unwrap(), Duration::from_secs(2))
    })
    .unwrap();
    drop(listener);
}

#[test]
fn a_terminal_is_a_controlling_terminal_with_a_size() {
    needs!(Root);
    let env = Env::new();
    // Whoever started the tests in the background has them ignore Ctrl-C, and so what they start.
    let bash = ["--default-signal=INT,QUIT", "bash", "--norc", "-i"];
    let mut terminal = env.program("env").args(bash).on_a_terminal();
    terminal.type_in("tty; stty size\n");
    terminal.expect("/dev/pts/");
    terminal.expect("24 80");
    terminal.resize(30, 100);
    terminal.type_in("stty size\n");
    terminal.expect("30 100");
    // Its echo of what is typed has the quotes; only the program's own output is the word.
    terminal.type_in("echo now\"\"here; sleep 60\n");
    terminal.expect("nowhere");
    // Between the two commands the key would be for the shell alone.
    std::thread::sleep(Duration::from_millis(500));
    terminal.type_in("\x03");
    terminal.type_in("exit 7\n");
    assert_eq!(terminal.wait(), 7);
}

#[test]
#[should_panic(expected = "took longer than")]
fn a_command_that_takes_too_long_is_killed_and_fails() {
    let env = Env::new();
    drop(env.sh("exec sleep 60").within(Duration::from_millis(200)).run());
}

#[test]
#[should_panic(expected = "somebody still holds its stdout")]
fn a_command_that_leaves_its_stdout_to_somebody_fails() {
    let env = Env::new();
    drop(env.sh("sleep 60 &").run());
}

#[test]
#[should_panic(expected = "process ")]
fn a_process_that_a_test_leaves_is_a_leak() {
    let env = Env::new();
    drop(env.sh("setsid sleep 60 >/dev/null 2>&1 &").run());
}

#[test]
#[should_panic(expected = "link dummy")]
fn a_link_that_a_test_leaves_is_a_leak() {
    let env = Env::new();
    env.machine().ip("link add dummyveth type veth peer name dummypeer");
}

#[test]
#[should_panic(expected = "nft ")]
fn an_element_of_a_map_that_a_test_leaves_is_a_leak() {
    let env = Env::new();
    let rules = "add table ip longshore; add map ip longshore m { type inet_service : ipv4_addr; }; \
                 add element ip longshore m { 80 : 10.0.0.1 }";
    drop(env.program("nft").arg(rules).run().ok());
}

#[test]
#[should_panic(expected = "mount ")]
fn a_mount_that_a_test_leaves_is_a_leak() {
    let env = Env::new();
    drop(env.program("mount").args(["-t", "tmpfs", "leak"]).arg(env.dir()).run().ok());
}

#[test]
#[should_panic(expected = "temporary ")]
fn a_temporary_name_in_the_store_is_a_leak() {
    let env = Env::new();
    std::fs::create_dir_all(env.root().join("tmp/abc")).unwrap();
}

#[test]
fn a_foreign_tool_takes_an_image_from_the_registry_of_faults_if_it_has_none() {
    needs!(Root);
    let env = Env::new();
    let _registry = Registry::start(env.machine(), "127.0.0.1:5001", Fault::None);
    env.sh("skopeo copy -q --src-tls-verify=false docker://127.0.0.1:5001/library/hello oci:here").run().ok();
}

#[test]
fn a_foreign_tool_refuses_what_the_registry_of_faults_has_broken() {
    needs!(Root);
    let env = Env::new();
    for fault in [Fault::Short, Fault::Flipped, Fault::FlippedConfig, Fault::NoPlatform, Fault::Page] {
        let name = format!("{fault:?}");
        let _registry = Registry::start(env.machine(), "127.0.0.1:5001", fault);
        let copy =
            env.sh("skopeo copy -q --src-tls-verify=false docker://127.0.0.1:5001/library/hello oci:there");
        let output = copy.run();
        assert_ne!(output.code(), 0, "{name}\n{output}");
    }
}
