//! Directories stacked by overlayfs, detached from every mount table.
//!
//! A stack means the same on every host, whatever its module defaults are; see [`stack`].

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_fd, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};
use types::{Error, Kind, Result};

/// What to stack.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// Read-only layers, top first. Directories opened for reading (not `O_PATH`). Without an upper
    /// directory there must be two, as overlayfs wants it.
    pub lowers: &'a [BorrowedFd<'a>],
    /// Where it is written; without, nobody can write.
    pub upper: Option<Upper<'a>>,
    /// What `mountinfo` says that is mounted: a name by which it is found.
    pub source: Option<&'a str>,
}

/// The writable layer of a stack.
#[derive(Debug, Clone, Copy)]
pub struct Upper<'a> {
    /// The writable layer.
    pub upper: BorrowedFd<'a>,
    /// An empty directory on the same file system as `upper`.
    pub work: BorrowedFd<'a>,
    /// Nothing of it must survive a crash: no sync when it goes away.
    pub volatile: bool,
}

/// Stacks layers. The mount is in no mount table; dropping the descriptor ends it.
///
/// # Errors
/// If there are no layers or too many for this kernel, or the kernel refuses.
pub fn stack(overlay: &Overlay<'_>, attributes: MountAttrFlags) -> Result<OwnedFd> {
    if overlay.lowers.is_empty() {
        return Err(Error::new(Kind::Invalid, "stack layers: there are none"));
    }
    let fs = match by_descriptor(overlay) {
        // How kernels before 6.5, before 6.13 and for `O_PATH` descriptors say no.
        Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::BADF) => match by_name(overlay) {
            Err(Errno::INVAL) => in_one_string(overlay)?,
            other => other.map_err(|e| Error::io("stack layers", e))?,
        },
        other => other.map_err(|e| Error::io("stack layers", e))?,
    };
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(|e| Error::io("stack layers", e))
}

/// Linux 6.13 takes descriptors.
fn by_descriptor(overlay: &Overlay<'_>) -> Result<OwnedFd, Errno> {
    let fs = open()?;
    for lower in overlay.lowers {
        fsconfig_set_fd(&fs, "lowerdir+", lower)?;
    }
    if let Some(Upper { upper, work, .. }) = overlay.upper {
        fsconfig_set_fd(&fs, "upperdir", upper)?;
        fsconfig_set_fd(&fs, "workdir", work)?;
    }
    finish(&fs, overlay)?;
    Ok(fs)
}

/// Linux 6.5 takes one layer at a time, by name.
fn by_name(overlay: &Overlay<'_>) -> Result<OwnedFd, Errno> {
    let fs = open()?;
    for lower in overlay.lowers {
        fsconfig_set_string(&fs, "lowerdir+", name(*lower))?;
    }
    if let Some(Upper { upper, work, .. }) = overlay.upper {
        fsconfig_set_string(&fs, "upperdir", name(upper))?;
        fsconfig_set_string(&fs, "workdir", name(work))?;
    }
    finish(&fs, overlay)?;
    Ok(fs)
}

/// Before that, all layers go into one value of at most 255 bytes: a dozen by their whole name. From
/// inside `/proc/self/fd` a layer's name is only its number, so that some sixty fit.
fn in_one_string(overlay: &Overlay<'_>) -> Result<OwnedFd> {
    const LONGEST: usize = 255;
    let all = |name: fn(BorrowedFd<'_>) -> String| {
        overlay.lowers.iter().map(|fd| name(*fd)).collect::<Vec<_>>().join(":")
    };
    let (whole, short) = (all(name), all(|fd| fd.as_raw_fd().to_string()));
    if whole.len() <= LONGEST {
        return of_string(overlay, &whole).map_err(|e| Error::io("stack layers", e));
    }
    if short.len() > LONGEST {
        return Err(Error::new(
            Kind::Unsupported,
            format!("stack {} layers: too many for this kernel", overlay.lowers.len()),
        )
        .hint("Linux 6.5 and later stack up to 500"));
    }
    let dir = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let back = rustix::fs::open(".", dir, Mode::empty()).map_err(|e| Error::io("open \".\"", e))?;
    rustix::process::chdir("/proc/self/fd").map_err(|e| Error::io("enter \"/proc/self/fd\"", e))?;
    let made = of_string(overlay, &short);
    rustix::process::fchdir(back).map_err(|e| Error::io("return to \".\"", e))?;
    made.map_err(|e| Error::io("stack layers", e))
}

fn of_string(overlay: &Overlay<'_>, lowers: &str) -> Result<OwnedFd, Errno> {
    let fs = open()?;
    fsconfig_set_string(&fs, "lowerdir", lowers)?;
    if let Some(Upper { upper, work, .. }) = overlay.upper {
        fsconfig_set_string(&fs, "upperdir", name(upper))?;
        fsconfig_set_string(&fs, "workdir", name(work))?;
    }
    finish(&fs, overlay)?;
    Ok(fs)
}

fn open() -> Result<OwnedFd, Errno> {
    fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
}

/// Options that make a stack mean the same on every host, whatever its module defaults are: layers
/// come from strangers, so no attribute in them may redirect a name.
fn finish(fs: &OwnedFd, overlay: &Overlay<'_>) -> Result<(), Errno> {
    fsconfig_set_string(fs, "redirect_dir", "nofollow")?;
    fsconfig_set_string(fs, "metacopy", "off")?;
    fsconfig_set_string(fs, "index", "off")?;
    if let Some(source) = overlay.source {
        fsconfig_set_string(fs, "source", source)?;
    }
    if overlay.upper.is_some_and(|upper| upper.volatile) {
        fsconfig_set_flag(fs, "volatile")?;
    }
    fsconfig_create(fs)
}

fn name(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::path::Path;

    type Stack = fn(&Overlay<'_>) -> Result<OwnedFd>;

    /// Each way that some kernel needs; a new one knows them all.
    const WAYS: [(&str, Stack); 3] = [
        ("by descriptor", |overlay| by_descriptor(overlay).map_err(|e| Error::io("stack", e))),
        ("by name", |overlay| by_name(overlay).map_err(|e| Error::io("stack", e))),
        ("in one string", in_one_string),
    ];

    fn layer(dir: &Path, name: &str, file: &str) -> OwnedFd {
        let path = dir.join(name);
        std::fs::create_dir_all(&path).unwrap();
        if !file.is_empty() {
            std::fs::write(path.join(file), name).unwrap();
        }
        File::open(path).unwrap().into()
    }

    #[test]
    fn every_way_stacks_the_same_and_mounts_nothing_here() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skip: needs root");
            return;
        }
        for (way, stack) in WAYS {
            let dir = tempfile::tempdir().unwrap();
            let (top, bottom) = (layer(dir.path(), "top", "f"), layer(dir.path(), "bottom", "f"));
            let (upper, work) = (layer(dir.path(), "upper", ""), layer(dir.path(), "work", ""));
            let lowers = [top.as_fd(), bottom.as_fd()];
            let upper = Upper { upper: upper.as_fd(), work: work.as_fd(), volatile: false };
            let overlay = Overlay { lowers: &lowers, upper: Some(upper), source: None };
            let fs = match stack(&overlay) {
                Err(e) if way != "in one string" && !is_new() => {
                    eprintln!("skip {way}: {e:?}");
                    continue;
                }
                other => other.unwrap_or_else(|e| panic!("{way}: {e:?}")),
            };
            let tree = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap();
            let path = format!("/proc/self/fd/{}/f", tree.as_raw_fd());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "top", "{way}");
            std::fs::write(&path, "changed").unwrap();
            assert_eq!(std::fs::read_to_string(dir.path().join("upper/f")).unwrap(), "changed", "{way}");
            let mounted = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
            assert!(!mounted.contains(&*dir.path().to_string_lossy()), "{way}: {mounted}");
        }
    }

    /// Linux 6.13 knows all ways.
    fn is_new() -> bool {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut numbers = release.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
        (numbers.next(), numbers.next()) >= (Some(6), Some(13))
    }

    #[test]
    fn too_many_layers_for_one_string_are_refused_in_words() {
        let root = rustix::fs::openat(CWD, "/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let lowers = vec![root.as_fd(); 200];
        let overlay = Overlay { lowers: &lowers, upper: None, source: None };
        assert_eq!(in_one_string(&overlay).unwrap_err().kind(), Kind::Unsupported);
    }
}
