//! Ps: the processes of a container.

use std::process::{Command, Stdio};

use types::{Context, Error, Kind, Result};

use crate::{Root, groups};

/// Returns the processes of a container in our pid namespace, in ascending order.
///
/// # Errors
/// `NotFound` if there is no such container.
pub fn pids(root: &Root, id: &str) -> Result<Vec<i32>> {
    let record = root.container(id)?.record()?;
    if record.cgroup.is_none() { Ok(Vec::new()) } else { groups::of(&record)?.pids() }
}

/// Returns what the host's ps(1) says of them, its heading included; without options, those of `-ef`.
///
/// # Errors
/// If ps cannot be run, or its options show no column `PID`.
pub fn table(root: &Root, id: &str, options: &[String]) -> Result<String> {
    let pids = pids(root, id)?;
    let default = ["-ef".to_owned()];
    let options = if options.is_empty() { &default[..] } else { options };
    let out = Command::new("ps").args(options).stdin(Stdio::null()).output().context("run \"ps\"")?;
    if !out.status.success() {
        let words = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        return Err(Error::new(Kind::Invalid, format!("run \"ps\": {words}")));
    }
    select(&String::from_utf8_lossy(&out.stdout), &pids)
}

fn select(table: &str, pids: &[i32]) -> Result<String> {
    let mut lines = table.lines();
    let heading = lines.next().unwrap_or_default();
    let column = heading
        .split_whitespace()
        .position(|word| word == "PID")
        .ok_or_else(|| Error::new(Kind::Invalid, "couldn't find PID field in ps output"))?;
    let mut chosen = format!("{heading}\n");
    for line in lines {
        let pid = line.split_whitespace().nth(column).and_then(|field| field.parse().ok());
        if pid.is_some_and(|pid: i32| pids.binary_search(&pid).is_ok()) {
            chosen.push_str(line);
            chosen.push('\n');
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_container_are_shown() {
        let table = "UID   PID  CMD\nroot  1    init\nroot  12   sh 1\nroot  2    x\n";
        assert_eq!(select(table, &[2, 12]).unwrap(), "UID   PID  CMD\nroot  12   sh 1\nroot  2    x\n");
        assert!(select("UID CMD\n", &[]).is_err());
    }
}
