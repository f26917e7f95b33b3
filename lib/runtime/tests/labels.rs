//! What the stub writes for a label, into a directory that stands for `/proc/self/attr`.
//!
//! The machine of a test need not have AppArmor or SELinux. What their kernel files take is known
//! (apparmor(7), selinux(8)), and this is the program that every container executes first.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the stub with its report in `report` and this directory as the one of attributes.
fn stub(dir: &Path, mode: &str, args: &[&str]) -> Output {
    let stub = dir.join("stub");
    if !stub.exists() {
        fs::write(&stub, child::STUB).unwrap();
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(dir.join("report"), "").unwrap();
    // The numbers that it looks at: 3, and five behind that.
    let script = r#"dir=$1; shift; exec 3>"$dir/report" 8<"$dir/attr"; exec "$dir/stub" "$@""#;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).arg(dir).arg(mode).args(args).output().unwrap()
}

fn attributes(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("attr")).unwrap();
    for file in files {
        let path = dir.path().join("attr").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    dir
}

fn said(dir: &Path, file: &str) -> String {
    fs::read_to_string(dir.join("attr").join(file)).unwrap()
}

#[test]
fn labels_are_asked_for_before_the_program_is_executed() {
    let dir = attributes(&["exec", "apparmor/exec", "apparmor/current"]);
    let program =
        format!("cat {0}/apparmor/exec {0}/exec; readlink /proc/$$/fd/*", dir.path().join("attr").display());
    let output = stub(dir.path(), "-eas", &["exec web//sub", "u:r:t:s0:c1,c2", "/bin/sh", "-c", &program]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("exec web//subu:r:t:s0:c1,c2"), "{text}");
    // Neither the directory nor the report is the program's.
    assert!(!text.contains(dir.path().to_str().unwrap()), "{text}");
    assert_eq!(said(dir.path(), "apparmor/current"), "");
}

#[test]
fn an_older_kernel_has_one_file_for_all_modules() {
    let dir = attributes(&["exec", "current"]);
    assert!(stub(dir.path(), "-ea", &["exec web", "/bin/true"]).status.success());
    assert_eq!(said(dir.path(), "exec"), "exec web");
}

#[test]
fn a_label_that_is_not_taken_is_told_and_nothing_runs() {
    for (files, mode, step) in [
        (&["apparmor/current"][..], "-ea", child::Failure::APPARMOR),
        (&[], "-ea", child::Failure::APPARMOR),
        (&[], "-es", child::Failure::SELINUX),
    ] {
        let dir = attributes(files);
        let output = stub(dir.path(), mode, &["exec web", "/bin/echo", "it ran"]);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
        let report: [u8; 8] = fs::read(dir.path().join("report")).unwrap().try_into().unwrap();
        let failure = child::Failure::from_bytes(report);
        assert_eq!((failure.step, failure.errno), (step, libc::ENOENT));
    }
}

#[test]
fn our_own_process_1_is_confined_like_its_program() {
    let dir = attributes(&["apparmor/exec", "apparmor/current"]);
    let output = stub(dir.path(), "--a", &["exec web", "/bin/sh", "-c", "exit 7"]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(said(dir.path(), "apparmor/exec"), "exec web");
    assert_eq!(said(dir.path(), "apparmor/current"), "changeprofile web");
}
