//! Users and groups of a container: [`runtime::user::resolve`] against a second reading of the rules.
//!
//! An input is lines: what is asked for, more groups, the passwd file up to a line `--`, the group file.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use types::Kind;

/// A root file system that can be written at will.
#[derive(Debug)]
pub struct Scratch {
    dir: tempfile::TempDir,
    root: File,
}

impl Scratch {
    /// Makes it.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        let root = File::open(dir.path()).unwrap();
        Self { dir, root }
    }

    fn etc(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.dir.path()).join("etc").join(name)
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// The parts of an input.
struct Input<'a> {
    spec: &'a str,
    more: Vec<String>,
    passwd: &'a [u8],
    group: &'a [u8],
}

impl<'a> Input<'a> {
    fn of(data: &'a [u8]) -> Option<Self> {
        let mut lines = data.splitn(3, |b| *b == b'\n');
        let spec = std::str::from_utf8(lines.next()?).ok()?;
        let more = std::str::from_utf8(lines.next()?).ok()?;
        let more = more.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let files = lines.next()?;
        let (passwd, group) = match files.windows(4).position(|part| part == b"\n--\n") {
            Some(at) => (&files[..=at], &files[at + 4..]),
            None => (files, &[][..]),
        };
        Some(Self { spec, more, passwd, group })
    }
}

/// Looks a user up and compares.
///
/// # Panics
/// If the two readings differ, or a user is found that no rule makes.
pub fn check(scratch: &Scratch, data: &[u8]) {
    let Some(input) = Input::of(data) else { return };
    std::fs::write(scratch.etc("passwd"), input.passwd).unwrap();
    std::fs::write(scratch.etc("group"), input.group).unwrap();
    let found = runtime::user::resolve(scratch.root.as_fd(), input.spec, &input.more);
    let wanted = expected(&input);
    match (&found, &wanted) {
        (Ok(user), Some(wanted)) => {
            let found = (user.uid, user.gid, user.groups.iter().copied().collect(), user.home.clone());
            assert_eq!(found, *wanted, "{:?}", input.spec);
            assert!(user.groups.is_sorted_by(|a, b| a < b) && !user.groups.contains(&user.gid));
            assert!(user.uid != u32::MAX && user.gid != u32::MAX && !user.home.is_empty());
        }
        (Err(e), None) => assert!(matches!(e.kind(), Kind::Invalid | Kind::NotFound), "{e:?}"),
        other => panic!("{:?}: {other:?}", input.spec),
    }
}

type Found = (u32, u32, BTreeSet<u32>, String);

/// What the rules say, read once more: byte by byte, and nothing shared with the runtime.
fn expected(input: &Input<'_>) -> Option<Found> {
    let users: Vec<[String; 7]> = entries(input.passwd).into_iter().filter(|f| good(f, &[2, 3])).collect();
    let groups: Vec<[String; 7]> = entries(input.group).into_iter().filter(|f| good(f, &[2])).collect();
    let parts: Vec<&str> = input.spec.split(':').collect();
    let (who, group) = match parts[..] {
        [""] => ("0", None),
        [who] => (who, None),
        [who, group] if !who.is_empty() && !group.is_empty() => (who, Some(group)),
        _ => return None,
    };
    let numeric = id(who)?;
    let entry = match numeric {
        Some(uid) => users.iter().find(|f| id(&f[2]) == Some(Some(uid))),
        None => Some(users.iter().find(|f| f[0] == who)?),
    };
    let (uid, mut gid) = match (entry, numeric) {
        (Some(f), _) => (id(&f[2])??, id(&f[3])??),
        (None, number) => (number?, 0),
    };
    let home = entry.map(|f| f[5].clone()).filter(|home| !home.is_empty()).unwrap_or_else(|| "/".into());
    let group_of = |name: &str| match id(name)? {
        Some(gid) => Some(gid),
        None => id(&groups.iter().find(|f| f[0] == name)?[2])?,
    };
    let mut more = BTreeSet::new();
    if let Some(group) = group {
        gid = group_of(group)?;
    } else if let Some(user) = entry {
        let member = |f: &&[String; 7]| f[3].split(',').any(|name| name == user[0]);
        more.extend(groups.iter().filter(member).filter_map(|f| id(&f[2])?));
    }
    for name in &input.more {
        more.insert(group_of(name)?);
    }
    more.remove(&gid);
    Some((uid, gid, more, home))
}

/// Lines and their fields; what is missing is empty, and a line with less than four fields has no third.
fn entries(file: &[u8]) -> Vec<[String; 7]> {
    let text = String::from_utf8_lossy(file);
    let mut all = Vec::new();
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut fields: [String; 7] = std::array::from_fn(|_| String::new());
        let mut at = 0;
        for c in line.chars() {
            match c {
                ':' => at += 1,
                c if at < 7 => fields[at].push(c),
                _ => {}
            }
        }
        all.push(fields);
    }
    all
}

fn good(fields: &[String; 7], numbers: &[usize]) -> bool {
    !fields[0].is_empty() && numbers.iter().all(|at| matches!(id(&fields[*at]), Some(Some(_))))
}

/// A number, a name (`Some(None)`), or a number that no user can have.
fn id(text: &str) -> Option<Option<u32>> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return Some(None);
    }
    let mut value = 0u64;
    for c in text.chars() {
        value = (value * 10 + u64::from(u32::from(c) - 48)).min(1 << 40);
    }
    (value < u64::from(u32::MAX)).then_some(Some(value as u32))
}
