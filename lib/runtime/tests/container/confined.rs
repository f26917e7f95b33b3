//! Labels of a kernel that has AppArmor. What the stub writes elsewhere: `tests/labels.rs`.

use super::env::{Env, chain};
use super::fields::{refused, run, with};

const CURRENT: &str = "cat /proc/self/attr/apparmor/current 2>/dev/null || cat /proc/self/attr/current";

fn has_apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"))
}

#[test]
fn a_profile_is_that_of_the_program_or_nothing_runs() {
    let Some(env) = Env::new() else { return };
    if !has_apparmor() {
        eprintln!("skip: needs a kernel with AppArmor");
        return;
    }
    let output = run(&env, with(CURRENT, r#"{"apparmorProfile": "unconfined"}"#, "{}"));
    assert_eq!(output.stdout.trim(), "unconfined", "{output:?}");
    let text = refused(&env, with("true", r#"{"apparmorProfile": "nonexistent"}"#, "{}"));
    assert!(text.starts_with("use AppArmor profile \"nonexistent\": No such file"), "{text}");
    let mut running = env.start(Env::request("echo up; sleep 60")).unwrap();
    assert_eq!(running.line(), "up");
    let mut asked = Env::request("true");
    asked.apparmor = Some("nonexistent".into());
    let error = running.exec(asked).map(|output| panic!("{output:?}")).unwrap_err();
    assert_eq!(error.status, 125);
    assert!(chain(&error).starts_with("use AppArmor profile \"nonexistent\""), "{}", chain(&error));
    running.end();
}
