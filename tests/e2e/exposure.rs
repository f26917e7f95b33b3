//! What the tools themselves show to others on the host: nothing.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tests::Env;

/// Sockets on which somebody listens, and all with a name, of the machine.
const LISTENERS: &str = "awk 'FNR > 1 && $4 == \"0A\" { print FILENAME, $2 }' /proc/net/tcp /proc/net/tcp6 /proc/net/raw; \
    awk 'FNR > 1 { print FILENAME, $2 }' /proc/net/udp /proc/net/udp6 /proc/net/packet; \
    awk 'FNR > 1 && ($4 == \"00010000\" || $8 != \"\") { print $4, $8 }' /proc/net/unix";

#[test]
fn nobody_of_us_listens_whatever_runs() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let before = env.sh(LISTENERS).run().ok().text();
    env.sh("ctr-run -d --name c -p 8080:80 busybox sleep 60; ctr-exec -d c sleep 60").run().ok();
    assert_eq!(env.sh(LISTENERS).run().ok().text(), before);
}

#[test]
fn no_tool_has_more_rights_than_its_caller() {
    for tool in tests::tools() {
        let path = tests::bin_dir().join(&tool);
        let mode = fs::metadata(&path).unwrap_or_else(|e| panic!("{tool}: {e}")).mode();
        assert_eq!(mode & 0o7000, 0, "{tool}");
        let mut buffer = [0; 64];
        let capabilities = rustix::fs::getxattr(&path, "security.capability", &mut buffer);
        assert!(capabilities.is_err(), "{tool} has capabilities of its own");
    }
}

/// Everything below a directory, links not followed.
fn walk(dir: &Path, visit: &mut impl FnMut(&Path, &fs::Metadata) -> bool) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let Ok(meta) = entry.path().symlink_metadata() else { continue };
        if visit(&entry.path(), &meta) && meta.is_dir() {
            walk(&entry.path(), visit);
        }
    }
}

/// CVE-2021-41089, CVE-2021-41091, CVE-2021-41103, CVE-2024-25621, CVE-2025-64507: directories of the engine that local
/// users can enter, and set-user-ID programs of images in them.
#[test]
fn cve_2021_41091_others_read_nothing_below_the_store_whatever_the_umask() {
    needs!(Root);
    for umask in ["0", "0777"] {
        let env = Env::with_images(&["busybox"]);
        env.write("vars", "SECRET=hush\n");
        let line = format!(
            "umask {umask}; ctr-run -d --name c -p 8080:80 --env-file vars -v data:/data busybox sleep 60 && \
             ctr-exec c sh -c 'cp /bin/busybox /data/su && chmod 4755 /data/su && touch /tmp/x' && \
             ctr-run --name d busybox echo hush && vol-create v && vol-bind c ./vars:/mnt/vars"
        );
        env.sh(&line).run().ok();
        for top in [env.root(), env.run_dir()] {
            fs::set_permissions(&top, PermissionsExt::from_mode(0o755)).unwrap(); // the test has made these two
            let mut open: Vec<PathBuf> = Vec::new();
            walk(&top, &mut |path, meta| {
                // `mountpoints` is a layer that is the same everywhere; its modes are those of every container.
                let closed =
                    meta.mode() & 0o077 == 0 || meta.is_symlink() || path.ends_with("root/mountpoints");
                if !closed {
                    open.push(path.to_owned());
                }
                // What is below a directory that others cannot enter has the modes that its container wants.
                !(closed
                    && ["layers", "containers", "volumes", "mountpoints", "run/etc"]
                        .iter()
                        .any(|name| path.ends_with(name)))
            });
            assert!(open.is_empty(), "umask {umask}: open to others: {open:?}");
        }
        let find = "setpriv --reuid 65534 --regid 65534 --clear-groups find ../root ../run -type f -readable 2>/dev/null";
        let found = env.sh(&format!("{find} | grep -v '^../root/mountpoints/'; true")).run().ok().text();
        assert_eq!(found, "", "umask {umask}");
    }
}

/// CVE-2026-33481, CVE-2025-4953, CVE-2020-14370: passwords in arguments, environments and files that stay.
#[test]
fn secrets_are_in_no_argument_environment_or_file_that_others_could_see() {
    needs!(Root);
    let env = Env::online();
    let secret = "c2VjcmV0Omh1c2gtaHVzaA=="; // secret:hush-hush
    env.write("auth.json", format!("{{\"auths\": {{\"127.0.0.1:5000\": {{\"auth\": \"{secret}\"}}}}}}"));
    env.write("vars", "TOKEN=hush-hush\n");
    let calls = "strace -f -qq -v -s 100000 -e trace=execve,execveat -o calls";
    env.sh(&format!("{calls} ctr-run --rm --network none --env-file vars busybox true"))
        .var("REGISTRY_AUTH_FILE", env.dir().join("auth.json"))
        .var("DOCKER_CONFIG", env.dir())
        .run()
        .ok();
    // One knows the token: the program itself, whose environment it is, and the stub that executes it.
    let told =
        "grep -v -E 'longshore-init|/true\"|execveat\\(' calls | grep -c -E 'hush-hush|c2VjcmV0' || true";
    env.sh(told).run().ok().stdout("0\n");
    env.sh("grep -c 'img-pull' calls").run().ok(); // the pull was seen, by a child with another environment
    env.sh("rm calls; grep -r -l -E 'hush-hush|c2VjcmV0' ../root ../run ../home || true")
        .run()
        .ok()
        .stdout("");
    env.sh("ctr-run -d --name c --network none --env-file vars busybox sleep 60").run().ok();
    // Its monitor, which lives as long as it does, has neither; its record is for root alone.
    let processes = "for p in /proc/[0-9]*; do [ \"$(readlink $p/ns/net)\" = \"$(readlink /proc/self/ns/net)\" ] && \
        [ $p != /proc/$$ ] && tr '\\0' '\\n' <$p/cmdline && tr '\\0' '\\n' <$p/environ; done 2>/dev/null";
    env.sh(&format!("{processes} | grep -c hush-[h]ush || true")).run().ok().stdout("0\n");
    env.sh("grep -r -l hush-hush ../root ../run | xargs stat -c %a | sort -u").run().ok().stdout("600\n");
}
