//! Remounts: what an earlier entry of the list has mounted is changed.

use child::{Param, Remount};
use types::Result;

use super::mounts::follow;
use super::options::{Depth, Options};
use super::{Draft, Owned, Step, text, unsupported};

/// Changes what is mounted there already; with `r` options also all below it.
///
/// Options of the file system itself become those that it is made with, since nobody has seen it yet. Only of one
/// that this container makes: any other is the host's too, which would change with it.
pub fn plan(path: &str, options: Options, draft: &mut Draft) -> Result<()> {
    if options.idmap.is_some() || options.copy_up || options.copy_link {
        return Err(unsupported(format!("remount of \"/{path}\" with another content or other owners")));
    }
    if !options.data.is_empty() {
        file_system(path, options.data, draft)?;
    }
    if let Some(made) = made(path, draft) {
        made.retain(|param| options.unset.iter().all(|flag| param.key.to_bytes() != flag.as_bytes()));
    }
    let changes = [(options.deep_set, options.deep_clear, 0, true), (options.set, options.clear, 0, false)];
    let spread = options.spread.map(|(flag, depth)| (0, 0, flag, depth == Depth::All));
    let asked = |(set, clear, flag, _): &(u64, u64, u64, bool)| set | clear | flag != 0;
    for (set, clear, propagation, recursive) in changes.into_iter().chain(spread).filter(asked) {
        let (path, follow) = (text(path)?, follow(path));
        draft.push(Step::Remount(Remount { path, follow, set, clear, propagation, recursive }));
    }
    Ok(())
}

fn file_system(path: &str, data: Vec<Param<Owned>>, draft: &mut Draft) -> Result<()> {
    let Some(made) = made(path, draft) else {
        let words: Vec<_> = data.iter().map(|param| param.key.to_string_lossy().into_owned()).collect();
        return Err(unsupported(format!(
            "remount of \"/{path}\" with options {words:?} of a file system that is not made here"
        )));
    };
    for param in data {
        made.retain(|other| other.key != param.key);
        made.push(param);
    }
    Ok(())
}

/// The options of the file system that is made there, if that is what is there last.
fn made<'d>(path: &str, draft: &'d mut Draft) -> Option<&'d mut Vec<Param<Owned>>> {
    draft.steps.iter_mut().rev().find_map(|step| match step {
        Step::Mount(new) if new.at.path.to_bytes() == path.as_bytes() => Some(Some(&mut new.params)),
        Step::Bind { at, .. } | Step::Move { at, .. } if at.path.to_bytes() == path.as_bytes() => Some(None),
        _ => None,
    })?
}
