//! A root that is not pivoted into, and a keyring that is not new.

use super::env::Env;
use runtime::defaults::Seccomp;

/// Whoever is root in a namespace of its own may mount a procfs if a whole one is to be seen already, and that
/// of the host still is in the mount namespace.
#[test]
fn without_a_pivot_nothing_of_the_host_is_in_reach() {
    let Some(mut env) = Env::new() else { return };
    let mark = env.layer();
    std::fs::write(mark.join("mark"), "").unwrap();
    let script = "ls / | grep -c mark; ls /../.. | grep -c mark; grep -c ' / / ' /proc/self/mountinfo; \
        unshare -mrpf sh -c 'mount -t proc none /proc && echo bare'; \
        unshare -mrf sh -c 'mount -t sysfs none /sys && echo bare'; \
        mkdir /tmp/out && chroot /tmp/out /bin/sh 2>/dev/null; echo up; sleep 60";
    let wanted = ["1", "1", "1", "up"];
    for no_pivot in [true, false] {
        env.no_pivot = no_pivot;
        let mut asked = Env::request(script);
        asked.seccomp = Seccomp::Unconfined;
        let mut running = env.start(asked).unwrap();
        assert_eq!(wanted.map(|_| running.line()), wanted);
        assert_eq!(
            running.exec(Env::request("ls /mark; ls /proc/1/root/mark")).unwrap().stdout,
            "/mark\n/proc/1/root/mark\n"
        );
        running.end();
    }
}

#[test]
fn a_session_keyring_is_new_or_that_of_the_caller() {
    let Some(mut env) = Env::new() else { return };
    for keep in [false, true] {
        env.keep_keyring = keep;
        let steps = env.plan(Env::request("true"));
        assert_eq!(steps.iter().any(|step| step == "join new session keyring"), !keep, "{steps:?}");
    }
}
