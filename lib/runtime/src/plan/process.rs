//! The program: where it is looked for, its arguments and environment.

use std::ffi::{CString, c_char};
use std::ptr::null;

use child::Exec;
use oci_spec::runtime::Process;
use types::Result;

use super::{Owned, invalid, text};

/// Where programs are looked for if the environment does not say.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Prepares the exec; the strings must live as long as it.
pub fn program(process: &Process) -> Result<(Exec<Owned>, Vec<CString>, String)> {
    let args = process.args().as_deref().unwrap_or_default();
    let name = args.first().ok_or_else(|| invalid("there is no program to run"))?;
    let env = process.env().as_deref().unwrap_or_default();
    let mut strings = Vec::with_capacity(args.len() + env.len());
    let argv = pointers(args, &mut strings)?;
    let envp = pointers(env, &mut strings)?;
    Ok((Exec { candidates: candidates(name, env)?, argv, envp }, strings, name.clone()))
}

fn pointers(list: &[String], strings: &mut Vec<CString>) -> Result<Vec<*const c_char>> {
    let mut pointers = Vec::with_capacity(list.len() + 1);
    for item in list {
        let owned = text(item)?;
        // The bytes are on the heap and stay where they are when the CString moves.
        pointers.push(owned.as_ptr());
        strings.push(owned);
    }
    pointers.push(null());
    Ok(pointers)
}

/// As `execvp(3)`, with the container's own `PATH`; an empty element would mean the working directory,
/// which is nobody's intention, and is skipped.
fn candidates(name: &str, env: &[String]) -> Result<Vec<CString>> {
    if name.contains('/') {
        return Ok(vec![text(name)?]);
    }
    let path = env.iter().rev().find_map(|line| line.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    if name.is_empty() {
        return Ok(Vec::new());
    }
    path.split(':').filter(|dir| !dir.is_empty()).map(|dir| text(&format!("{dir}/{name}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, env: &[&str]) -> Vec<String> {
        let env: Vec<_> = env.iter().map(|e| (*e).to_owned()).collect();
        candidates(name, &env).unwrap().iter().map(|c| c.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_program_is_looked_for_in_the_containers_path() {
        assert_eq!(names("sh", &["PATH=/x:/y"]), ["/x/sh", "/y/sh"]);
        assert_eq!(names("sh", &["PATH=/x", "PATH=:/z:"]), ["/z/sh"]);
        assert_eq!(names("sh", &[]).last().unwrap(), "/bin/sh");
        assert_eq!(names("./sh", &["PATH=/x"]), ["./sh"]);
        assert!(names("", &["PATH=/x"]).is_empty());
    }
}
