//! Files of images: out as trees, in as images, with foreign tools on either side.

use std::fs::File;
use std::time::Duration;

use rustix::fs::XattrFlags;
use tests::Env;

/// A shell function that prints all that must be kept of a tree: names, kinds, modes, owners, times, links,
/// devices, names and lengths of attributes as GNU tar sees them, and the content of files.
const FACTS: &str = "facts() { ( cd \"$1\" && tar --sort=name --numeric-owner --xattrs --xattrs-include='*' -c . 2>/dev/null | \
    tar --numeric-owner --xattrs --full-time -tvv && \
    find . -type f -printf '%i %p\\0' | sort -z -k2 | awk 'BEGIN { RS = ORS = \"\\0\" } !seen[$1]++ { sub(/^[0-9]+ /, \"\"); print }' | \
    xargs -0r sha256sum ); }";

/// Compares two trees.
fn same(env: &Env, one: &str, two: &str) {
    env.sh(&format!(
        "{FACTS}; facts {one} >facts-1 && facts {two} >facts-2 && diff facts-1 facts-2 && test -s facts-1"
    ))
    .run()
    .ok();
}

/// What umoci makes of an image of the store, in the directory `to/rootfs`.
fn umoci(env: &Env, image: &str, to: &str) {
    // umoci splits at the last colon and knows only simple tags.
    env.sh(&format!(
        "skopeo copy -q \"$(img-path --oci {image})\" oci:layout-{to}:simple && umoci unpack --image layout-{to}:simple {to}"
    ))
    .within(Duration::from_secs(60))
    .run()
    .ok();
}

/// A tree with one of each kind, and what is hard to keep.
fn hard_tree(env: &Env) {
    let set = |name: &str, attribute: &str, value: &[u8]| {
        let file = File::open(env.dir().join(name)).unwrap();
        rustix::fs::fsetxattr(&file, attribute, value, XattrFlags::empty()).unwrap();
    };
    let long = "n".repeat(180);
    env.sh(&format!(
        "mkdir -p hard/dir/below hard/sticky hard/tmp && cd hard && \
         echo content >dir/file && ln dir/file another && ln -s ../../etc/passwd dir/link && ln dir/link dir/link2 && \
         ln -s {long}{long} far && echo x >{long} && touch \"$(printf '\\377\\376')\" && \
         mknod null c 1 3 && mknod disk b 259 70000 && mkfifo pipe && truncate -s 1M sparse && echo end >>sparse && \
         chown 70000:80000 dir/file && chown -h 7:8 far && chmod 4755 dir/file && chmod 3770 sticky && chmod 1777 tmp && \
         chown 4000000:4000001 sticky && touch -d @1700000000.123456789 another && touch -h -d @-5 far && \
         touch -d @1000000000 dir/below && touch -d @1000000001.5 dir"
    ))
    .run()
    .ok();
    // A version 2 capability set: net_bind_service, effective. After chown, which takes it away.
    set(
        "hard/dir/file",
        "security.capability",
        &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    set("hard/dir", "user.note", b"a=b\n");
    env.sh("touch -d @1000000001.5 hard/dir; touch -d @1600000000.25 hard").run().ok();
}

#[test]
fn what_is_larger_than_it_may_be_is_refused_and_leaves_nothing() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1"]);
    let kept = || {
        env.sh("cd $LONGSHORE_ROOT && find blobs layers partial tmp -type f | sort; img-ls").run().ok().text()
    };
    let before = kept();
    // 200 MB of zeros in 200 KB, 10 GB of a hole in as good as nothing, and both as an image of another tool.
    env.sh("mkdir z h; head -c 200m /dev/zero >z/zeros; truncate -s 10G h/hole; \
            tar -C z -cz . >z.tgz; tar -C h -cSz . >h.tgz; rm -r z h; test $(stat -c %s z.tgz) -lt 1000000; \
            img-import --root other z.tgz z:1 && img-save --root other z:1 >z.tar; \
            img-save tiny:1 >t.tar; head -c 5m /dev/zero >junk; tar -rf t.tar junk")
        .run()
        .ok();
    for line in [
        "img-import --max-size 100m z.tgz z:1",
        "img-import --max-size 9g h.tgz h:1",
        "img-load --max-size 100m -i z.tar",
        "img-load --max-size 1m -i t.tar",
        "img-pull --max-size 1m -q httpd",
    ] {
        env.sh(line)
            .run()
            .status_is_not(0)
            .one_error(&["more than", "bytes unpacked"])
            .stderr_has("--max-size");
        assert_eq!(kept(), before, "{line}");
    }
    env.sh("img-import --max-size 11g h.tgz h:1 && img-load --max-size 300m -i z.tar && img-pull -q --max-size 1g httpd")
        .run()
        .ok();
    env.sh("img-pull --max-size much httpd").run().status(2).one_error(&["bad size"]);
}

#[test]
fn images_of_others_have_the_tree_that_umoci_gives_them() {
    needs!(Root);
    let images = ["busybox", "whiteouts", "httpd"];
    let env = Env::with_images(&images);
    for image in images {
        umoci(&env, image, image);
        env.sh(&format!("img-unpack {image} mine-{image}")).run().ok().stdout(format!("mine-{image}\n"));
        same(&env, &format!("{image}/rootfs"), &format!("mine-{image}"));
        env.sh(&format!("mkdir tar-{image} && img-export {image} | tar -C tar-{image} --numeric-owner --xattrs --xattrs-include='*' -xp"))
            .run()
            .ok();
        same(&env, &format!("{image}/rootfs"), &format!("tar-{image}"));
    }
}

#[test]
fn nothing_of_a_tree_is_lost_on_the_way_through_an_image() {
    needs!(Root);
    let env = Env::online();
    hard_tree(&env);
    let tar = "tar -C hard --xattrs --xattrs-include='*' --numeric-owner --format=posix -c";
    for (form, archive) in [
        ("plain", format!("{tar} .")),
        ("gzip", format!("{tar} . | gzip")),
        ("zstd", format!("{tar} . | zstd -q")),
        ("sparse", format!("{tar} --sparse .")),
    ] {
        env.sh(&format!("{archive} | img-import - {form} && img-unpack {form} out-{form}")).run().ok();
        same(&env, "hard", &format!("out-{form}"));
        // The umoci of today's distributions does not know zstd.
        if form != "zstd" {
            umoci(&env, form, &format!("umoci-{form}"));
            same(&env, "hard", &format!("umoci-{form}/rootfs"));
        }
    }
    // And through our own archive, which is the same each time.
    env.sh("img-export plain >a.tar && img-export gzip | cmp - a.tar && img-import a.tar again && img-export again | cmp - a.tar")
        .run()
        .ok();
    umoci(&env, "again", "umoci-again");
    same(&env, "hard", "umoci-again/rootfs");
    env.sh("img-fsck").run().ok();
}

#[test]
fn an_archive_is_an_image_that_runs() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let made = env
        .sh("img-export busybox | img-import -m greeting -c 'ENV A=\"b c\" PATH=/bin' -c 'CMD [\"sh\",\"-c\",\"echo $A\"]' \
             -c 'label x=y' --platform linux/amd64 - mine:1")
        .run()
        .ok()
        .line();
    assert_eq!(env.sh("img-digest --full-ref mine:1").run().ok().line(), made);
    env.sh("ctr-run --rm --network none mine:1").run().ok().stdout("b c\n");
    env.sh("img-history --json mine:1 | jq -r .Comment; img-inspect mine:1 | jq -r .Labels.x")
        .run()
        .ok()
        .stdout("greeting\ny\n");
    // Without a name it is found by its digest.
    let made = env.sh("img-export busybox | img-import -").run().ok().line();
    assert!(made.starts_with("localhost/import@sha256:"), "{made}");
    env.sh(&format!("ctr-run --rm --network none {made} /bin/true && img-rm {made}")).run().ok();
    // The same bytes at the same moment are the same image.
    env.sh("for n in 1 2; do img-export busybox | SOURCE_DATE_EPOCH=5 img-import - same:$n; done >/dev/null; img-digest same:1 same:2 | uniq | wc -l")
        .run()
        .ok()
        .stdout("1\n");
}

#[test]
fn what_is_no_archive_of_files_leaves_nothing() {
    needs!(Root);
    let env = Env::online();
    env.sh("mkdir d && echo x >d/f && tar -C d -cf t.tar .").run().ok();
    for (line, status, part) in [
        ("img-import - x </dev/null", 2, "nothing in it"),
        ("echo this is no archive | img-import - x", 125, "archive"),
        ("xz <t.tar | img-import - x", 125, "xz"),
        ("bzip2 <t.tar | img-import - x", 125, "bzip2"),
        ("head -c 700 t.tar | img-import - x", 125, "ends in the middle"),
        ("gzip <t.tar | head -c 60 | img-import - x", 125, "archive"),
        ("img-import https://example.org/x.tar x", 125, "fetched by other tools"),
        ("img-import -c 'RUN x' t.tar x", 2, "RUN"),
        ("img-import -c 'HEALTHCHECK NONE' t.tar x", 2, "HEALTHCHECK"),
        ("img-import -c 'EXPOSE many' t.tar x", 2, "many"),
        (
            "img-import t.tar x@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            2,
            "digest",
        ),
        ("img-import nothing.tar x", 125, "nothing.tar"),
    ] {
        let out = env.sh(line).run().status(status).stdout("");
        drop(out.stderr_has(part));
        env.sh("img-ls -q; find $LONGSHORE_ROOT/tmp $LONGSHORE_ROOT/blobs/sha256 $LONGSHORE_ROOT/layers/sha256 -mindepth 1")
            .run()
            .ok()
            .stdout("");
    }
}

#[test]
fn an_import_that_ends_in_the_middle_leaves_nothing() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("img-export busybox >h.tar && img-rm busybox").run().ok();
    for (signal, status) in [("INT", 130), ("KILL", 137)] {
        // The archive comes to its middle and waits there.
        let line = format!(
            "mkfifo f; exec 3<>f; head -c 1000000 h.tar >&3 & img-import - h <f & pid=$!; \
             until find $LONGSHORE_ROOT/tmp -name tree | grep -q .; do sleep 0.02; done; kill -{signal} $pid; wait $pid; \
             status=$?; kill %1; rm f; exit $status"
        );
        env.sh(&line).within(Duration::from_secs(40)).run().status(status);
        env.sh("img-ls -q").run().ok().stdout("");
    }
    env.sh("img-gc >/dev/null; ls $LONGSHORE_ROOT/tmp; img-import h.tar h && img-fsck -q")
        .run()
        .ok()
        .stdout_lacks("layer-");
}

#[test]
fn a_tree_appears_whole_or_not_at_all() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.sh("mkdir full && touch full/x && img-unpack httpd full").run().status(1).one_error(&["not empty"]);
    env.sh("img-unpack nothing new").run().status(1).one_error(&["nothing"]);
    env.sh("img-unpack httpd none/new").run().status(1).one_error(&["none"]);
    // Stopped when the first file is there.
    let line = "exec 2>/dev/null; img-unpack httpd new & pid=$!; \
                until test -n \"$(find .new.$pid -type f 2>/dev/null | head -n 1)\" || ! kill -0 $pid; do :; done; kill -INT $pid; wait $pid";
    let status = env.sh(line).run().code();
    assert!(matches!(status, 0 | 130), "{status}");
    let left = if status == 0 { "full\nnew\n" } else { "full\n" };
    env.sh("ls -A").run().ok().stdout(left);
    // An empty directory, and one on which a file system is mounted, which is filled itself.
    env.sh("rm -rf new; mkdir new mounted && mount -t tmpfs none mounted && img-unpack httpd new && img-unpack httpd mounted && \
            diff -r --no-dereference new mounted; status=$?; umount mounted; exit $status")
        .run()
        .ok();
    env.sh("ls -A | xargs").run().ok().stdout("full mounted new\n");
}

#[test]
fn a_mounted_image_keeps_its_layers() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("img-export busybox | img-import - mine >/dev/null; mkdir m n; img-mount mine m")
        .run()
        .ok()
        .stdout("m\n");
    env.sh("m/bin/busybox echo ran; touch m/x")
        .run()
        .status_is_not(0)
        .stdout("ran\n")
        .stderr_has("Read-only");
    env.sh("img-rm mine").run().status(1).one_error(&["mounted on"]);
    env.sh("img-rm -n -f mine && img-rm -f mine && img-gc -q && ls m/bin/busybox")
        .run()
        .ok()
        .stdout_has("m/bin/busybox\n");
    env.sh("img-mount -u m && img-mount -u m")
        .run()
        .status(1)
        .stdout("m\n")
        .stderr_has("no image is mounted");
    // Now it is garbage, and nothing remembers the mount. Processes of others that were just made may have it
    // for a moment.
    env.sh("until img-gc >/dev/null; test -z \"$(ls $LONGSHORE_RUN/uses)\"; do sleep 0.05; done; ls $LONGSHORE_ROOT/layers/sha256 | wc -l")
        .run()
        .ok()
        .stdout("1\n");

    // It is in another mount namespace, too, and leaves the first one by umount(8).
    env.sh("img-mount busybox n").run().ok();
    let other = env.sh("exec unshare -m sh -c 'touch ready; exec sleep 60'").start();
    env.sh("until test -e ready; do sleep 0.02; done; umount n; img-rm busybox")
        .run()
        .status(1)
        .stderr_has("mounted on");
    other.signal("KILL");
    other.wait().status_is_not(0);
    env.sh("until img-rm busybox 2>/dev/null; do sleep 0.05; done; ls $LONGSHORE_RUN/uses $LONGSHORE_ROOT/layers/sha256 | grep -c '^[0-9a-f]'")
        .run()
        .status(1)
        .stdout_has("Deleted");
}

#[test]
fn an_image_that_is_read_keeps_its_layers() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.sh("mkfifo f; img-export httpd >f & exec 3<f; head -c 100000 <&3 >a; \
            img-rm httpd >/dev/null && img-gc >/dev/null && cat <&3 >b && wait $! && cat a b | tar t | tail -n 1 && \
            img-gc >/dev/null; ls $LONGSHORE_RUN/uses; ls $LONGSHORE_ROOT/layers/sha256 | wc -l")
        .run()
        .ok()
        .stdout("var/tmp/\n0\n");
}

#[test]
fn a_configuration_is_changed_by_a_pipe() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "busybox:docker"]);
    for image in ["busybox", "busybox:docker"] {
        env.sh(&format!("img-config {image} | img-config --set - --tag same && test $(img-inspect same | jq -r .Id) = $(img-inspect {image} | jq -r .Id)"))
            .run()
            .ok();
        env.sh(&format!(
            "img-config {image} | jq '.config.Env += [\"TZ=UTC\"] | .config.Cmd = [\"sh\", \"-c\", \"echo $TZ\"]' | img-config --set - --tag y && \
             ctr-run --rm --network none y"
        ))
        .run()
        .ok()
        .stdout_has("\nUTC\n");
    }
    env.sh("skopeo copy -q \"$(img-path --oci y)\" oci:out:y && img-rm busybox:docker >/dev/null && ctr-run --rm --network none y").run().ok().stdout("UTC\n");
    for (edit, status, part) in [
        ("cat >/dev/null; echo no", 2, "read the configuration"),
        ("jq '.config.Env = 5'", 2, "read the configuration"),
        ("jq 'del(.rootfs)'", 2, "rootfs"),
        ("jq '.rootfs.diff_ids += [\"sha256:'$(printf %064d 0)'\"]'", 1, "in no image here"),
    ] {
        env.sh(&format!("img-config busybox | {edit} | img-config --set - -t bad"))
            .run()
            .status(status)
            .stdout("")
            .stderr_has(part);
    }
    env.sh("img-ls -q bad").run().ok().stdout("");
}

#[test]
fn what_differs_is_told_name_by_name() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "whiteouts"]);
    env.sh("img-diff -q busybox busybox").run().ok().stdout("");
    env.sh("img-diff --json busybox whiteouts | jq -r 'select(.Changed != [\"mtime\"]) | [.Change, .Type, .Path, .Size, .OldSize] | @csv' | grep -v home | head -n 9")
        .run()
        .ok()
        .stdout_has("\"removed\",\"file\",\"/etc/group\",,")
        .stdout_has("\"added\",\"file\",\"/etc/motd\",9,")
        .stdout_has("\"removed\",\"directory\",\"/var/www\",,")
        .stdout_has("\"added\",\"file\",\"/var/new\",4,");
    // Each kind of change by its name.
    env.sh("mkdir -p a/d; for f in content mode owner mtime type; do echo $f >a/$f; done; ln -s x a/target; cp -a a b; \
            echo other >b/content; touch -r a/content b/content; chmod 600 b/mode; chown 5 b/owner; touch -d @0 b/mtime; \
            rm b/type; mkdir b/type; ln -sfn y b/target; touch -h -d @1 a/target b/target; touch -d @1 a b; \
            for t in a b; do tar -C $t -c . | img-import - t$t; done; img-diff --json ta tb | jq -c '[.Path, .Changed]'")
        .run()
        .ok()
        .stdout_has("[\"/content\",[\"content\"]]\n[\"/mode\",[\"mode\"]]\n[\"/mtime\",[\"mtime\"]]\n[\"/owner\",[\"owner\"]]\n[\"/target\",[\"target\"]]\n[\"/type\",[\"type\"]]\n");
}

#[test]
fn what_a_container_has_changed_is_an_image() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --name c --network none -e A=1 -w /var -l x=y busybox sh -c 'cd /; rm -r /home /etc/group; mkdir /home; echo new >/home/f; \
            rm -r /var/www; echo file >/var/www; rm /bin/vi; mkdir /bin/vi; ln /etc/passwd /etc/shadow; chown 5:6 /tmp; chmod 4700 /etc/passwd; mkfifo /p'")
        .run()
        .ok();
    let made = env.sh("ctr-commit -a me -m why -c 'CMD [\"cat\",\"/home/f\"]' c new:1").run().ok().line();
    assert_eq!(env.sh("img-digest --full-ref new:1").run().ok().line(), made);
    env.sh("ctr-run --rm --network none new:1; ctr-run --rm --network none new:1 sh -c 'ls /home; cat /var/www; pwd; echo $A; ls /etc/group'")
        .run()
        .status(1)
        .stdout("new\nf\nfile\n/var\n1\n");
    env.sh("img-inspect new:1 | jq -c '[.Author, .Labels, .Config.Env, .Config.Cmd, .Config.WorkingDir]'")
        .run()
        .ok()
        .stdout_has("[\"me\",{\"x\":\"y\"},[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"A=1\"],[\"cat\",\"/home/f\"],\"/var\"]");
    env.sh("img-history --json new:1 | jq -r .Comment | head -n 1").run().ok().stdout("why\n");
    env.sh("img-unpack new:1 mine").run().ok();
    umoci(&env, "new:1", "theirs");
    same(&env, "theirs/rootfs", "mine");
    // No change is no layer, and the same changes at the same moment are the same image.
    env.sh("ctr-create --name idle busybox; ctr-commit idle idle && test $(img-inspect idle | jq '.Layers | length') = $(img-inspect busybox | jq '.Layers | length')").run().ok();
    env.sh("for n in 1 2; do SOURCE_DATE_EPOCH=7 ctr-commit c same:$n; done >/dev/null; img-digest same:1 same:2 | uniq | wc -l").run().ok().stdout("1\n");
    env.sh("ctr-commit --compression zstd c z && ctr-commit c && ctr-run --rm --network none z true")
        .run()
        .ok()
        .stdout_has("localhost/commit@sha256:");
    env.sh("img-fsck").run().ok();
}

#[test]
fn an_entrypoint_stays_one() {
    needs!(Root);
    let env = Env::with_images(&["settings", "busybox"]);
    let parts = "jq -c '[.Config.Entrypoint, .Config.Cmd]'";
    env.sh(&format!(
        "ctr-create --name c settings more words && ctr-commit c one && img-inspect one | {parts}"
    ))
    .run()
    .ok()
    .stdout_has("[[\"/bin/echo\",\"entry\"],[\"more\",\"words\"]]");
    env.sh(&format!("ctr-create --name d --entrypoint /bin/ls busybox /etc && ctr-commit d two && img-inspect two | {parts}"))
        .run()
        .ok()
        .stdout_has("[[\"/bin/ls\"],[\"/etc\"]]");
}

#[test]
fn a_container_goes_on_after_its_commit_however_that_ends() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name c --network none busybox sh -c 'while :; do echo x >>/n; sleep 0.02; done'")
        .run()
        .ok();
    let goes_on = || {
        let lines = "ctr-exec c sh -c 'a=$(wc -l </n); until test $(wc -l </n) -gt $a; do sleep 0.02; done'";
        env.sh(lines).within(Duration::from_secs(30)).run().ok();
    };
    goes_on();
    env.sh("ctr-commit c one && ctr-commit --pause=false c two").run().ok();
    goes_on();
    // A file that takes longer to read than anybody waits.
    env.sh("ctr-exec c truncate -s 200G /large").run().ok();
    for (signal, status) in [("INT", 130), ("KILL", 137)] {
        let line = format!(
            "ctr-commit c large & pid=$!; until find $LONGSHORE_ROOT/tmp -name tree | grep -q .; do sleep 0.02; done; kill -{signal} $pid; wait $pid"
        );
        env.sh(&line).within(Duration::from_secs(30)).run().status(status);
        goes_on();
        env.sh("img-ls -q large").run().ok().stdout("");
        env.sh("img-gc >/dev/null; find $LONGSHORE_ROOT/tmp -name 'layer-*'").run().ok().stdout("");
    }
    env.sh("ctr-rm -f c").run().ok();
}
