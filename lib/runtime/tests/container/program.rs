//! The program: found or not, its status, its environment, its user.

use std::os::fd::AsFd;

use super::env::Env;
use oci_spec::runtime::LinuxResources;
use runtime::Launch;
use runtime::defaults::Request;

fn request(args: &[&str]) -> Request {
    Request { args: args.iter().map(|a| (*a).to_owned()).collect(), ..Env::request("") }
}

#[test]
fn the_programs_own_status_is_passed_on() {
    let Some(env) = Env::new() else { return };
    assert_eq!(env.sh("exit 7").code, 7);
    assert_eq!(env.run(request(&["true"])).code, 0);
}

#[test]
fn a_signal_is_128_more() {
    let Some(env) = Env::new() else { return };
    let running = env.start(Env::request("sleep 60")).unwrap();
    running.process.signal(9).unwrap();
    assert_eq!(running.finish().code, 137);
}

#[test]
fn what_is_killed_before_its_program_runs_is_no_success() {
    let Some(env) = Env::new() else { return };
    let (spec, rootfs) = (runtime::defaults::spec(Env::request("true")).unwrap(), env.rootfs());
    let cgroup = runtime::Cgroup::create(&env.id, &LinuxResources::default()).unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let starting = runtime::start(&Launch::new(&spec, &rootfs, [null.as_fd(); 3], &cgroup)).unwrap();
    let pid = nix::unistd::Pid::from_raw(starting.pid());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let error = starting.release().unwrap_err();
    assert_eq!(error.status, 125);
    assert_eq!(error.to_string(), "it ended before its program ran, with status 137");
    cgroup.remove().unwrap();
}

#[test]
fn a_program_that_is_not_there_is_127_and_says_where_it_was_looked_for() {
    let Some(env) = Env::new() else { return };
    let (status, text) = env.refused(request(&["nope"]));
    assert_eq!((status, text.as_str()), (127, "run \"nope\": No such file or directory (os error 2)"));
    let (status, text) = env.refused(request(&["/bin/nope"]));
    assert_eq!((status, text.as_str()), (127, "run \"/bin/nope\": No such file or directory (os error 2)"));
    assert_eq!(env.refused(request(&["/bin/sh/nope"])).0, 127);
}

#[test]
fn a_program_that_cannot_be_run_is_126() {
    let Some(mut env) = Env::new() else { return };
    let layer = env.layer();
    std::fs::create_dir(layer.join("data")).unwrap();
    std::fs::write(layer.join("data/plain"), "x").unwrap();
    let garbage = layer.join("data/garbage");
    std::fs::write(&garbage, "\u{1}no program").unwrap();
    std::fs::set_permissions(&garbage, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for path in ["/data/plain", "/data", "/data/garbage"] {
        assert_eq!(env.refused(request(&[path])).0, 126, "{path}");
    }
}

#[test]
fn environment_and_directory_are_the_ones_asked_for() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request("pwd; env | grep -e ^PATH -e ^A=; umask; hostname");
    asked.env.push("A=b c".into());
    asked.cwd = "/made/for/us".into();
    let output = env.run(asked);
    assert_eq!(output.stdout, "/made/for/us\nA=b c\nPATH=/bin\n0022\nbox\n", "{}", output.stderr);
}

#[test]
fn a_working_directory_outside_is_refused() {
    let Some(env) = Env::new() else { return };
    for fd in 0..40 {
        let mut asked = Env::request("pwd; ls");
        asked.cwd = format!("/proc/self/fd/{fd}").into();
        let (status, text) = env.refused(asked);
        assert!(status == 125 || status == 126, "{fd}: {text}");
    }
}

#[test]
fn a_user_has_its_groups_and_nothing_of_roots() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request("id; cat /proc/self/status | grep -E '^(Cap|Groups)'");
    (asked.uid, asked.gid, asked.groups) = (1000, 1001, vec![29, 44]);
    let output = env.run(asked);
    assert!(output.stdout.starts_with("uid=1000 gid=1001 groups=29,44,1001\n"), "{output:?}");
    assert!(output.stdout.contains("CapEff:\t0000000000000000\n"), "{output:?}");
    assert!(output.stdout.contains("CapPrm:\t0000000000000000\n"), "{output:?}");
    assert!(output.stdout.contains("CapBnd:\t00000000800405fb\n"), "{output:?}");
}

#[test]
fn the_first_process_of_an_ignored_signal_mask_starts_clean() {
    let Some(env) = Env::new() else { return };
    let output = env.run(request(&["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]));
    assert_eq!(output.stdout, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

#[test]
fn our_own_process_1_passes_signals_on_and_reaps() {
    let Some(mut env) = Env::new() else { return };
    env.init = true;
    // It gets its name when the program runs, which is a moment after that.
    let script = "until grep -qx longshore-init /proc/1/comm; do sleep 0.02; done; \
        tr '\\000' ' ' < /proc/1/cmdline; cat /proc/1/comm; trap 'echo term; exit 3' TERM; \
        (sh -c 'sleep 0.1 & sh -c true' &); sleep 0.4; cat /proc/[0-9]*/status | grep -c '^State:.Z'; echo up; \
        while :; do sleep 0.05; done";
    let mut running = env.start(Env::request(script)).unwrap();
    let line = running.line();
    assert!(
        line.starts_with("/sbin/longshore-init -- sh -c ") && line.ends_with(" longshore-init"),
        "{line}"
    );
    assert_eq!(running.line(), "0", "no zombies");
    assert_eq!(running.line(), "up");
    running.process.signal(15).unwrap();
    let output = running.finish();
    assert_eq!((output.stdout.as_str(), output.code), ("term\n", 3));
    assert_eq!(env.refused(request(&["nope"])).0, 127);
    let killed = env.run(request(&["sh", "-c", "kill -9 $$"]));
    assert_eq!(killed.code, 137);
}

#[test]
fn nobody_can_reach_a_binary_of_the_host_through_proc() {
    let Some(mut env) = Env::new() else { return };
    let layer = env.layer();
    // CVE-2019-5736: an interpreter line that has our own last image executed.
    std::fs::write(layer.join("evil"), "#!/proc/self/exe\n").unwrap();
    std::fs::set_permissions(layer.join("evil"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let output = env.run(request(&["/evil"]));
    assert_ne!(output.code, 0);
    env.init = true;
    let script = "readlink /proc/1/exe; (echo x > /proc/1/exe) 2>&1";
    let output = env.sh(script);
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines[0], "/memfd:longshore-init (deleted)");
    assert!(lines[1].contains("Text file busy") || lines[1].contains("not permitted"), "{lines:?}");
}
