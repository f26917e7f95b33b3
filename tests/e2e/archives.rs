//! Images in archives and directories, with foreign tools on either side.

use std::time::Duration;

use tests::Env;

/// The digests of the unpacked layers of an image, which foreign forms of it must not change.
fn layers(env: &Env, name: &str) -> String {
    env.sh(&format!("img-inspect {name} | jq -c '[.Id, .RootFS.Layers]'")).run().ok().line()
}

#[test]
fn what_is_saved_is_loaded_elsewhere_and_saved_again_byte_by_byte() {
    needs!(Root);
    let env = Env::with_images(&["busybox:multi", "whiteouts", "busybox:zstd"]);
    let names = "busybox:multi whiteouts busybox:zstd";
    env.sh(&format!("img-save {names} >one.tar && img-save -o two.tar {names} && cmp one.tar two.tar"))
        .run()
        .ok();
    let loaded = env.sh("img-load --root other <one.tar").run().ok().text();
    let pinned = env.sh(&format!("img-digest --full-ref {names}")).run().ok().text();
    assert_eq!(loaded, pinned);
    env.sh(&format!("img-save --root other {names} | cmp - one.tar")).run().ok();
    // The tree is that of the pulled image, file by file.
    env.sh(
        "diff -r --no-dereference \"$(img-path busybox:multi)\" \"$(img-path --root other busybox:multi)\"",
    )
    .run()
    .ok();
    env.sh("find other/tmp other/partial -mindepth 1").run().ok().stdout("");
}

#[test]
fn a_delta_has_what_the_reader_lacks_and_nothing_else() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "whiteouts"]);
    let blobs = |file: &str| env.sh(&format!("tar tf {file} | grep -c blobs/sha256/.")).run().ok().line();
    env.sh("img-save whiteouts >whole.tar; img-save busybox | img-load --root other").run().ok();
    env.sh(
        "img-inspect --root other busybox >have.json; img-save --except-from have.json whiteouts >delta.tar",
    )
    .run()
    .ok();
    // whiteouts is busybox and one layer more; manifests and configurations are always there.
    let shared = env.sh("img-inspect busybox | jq -r '.Layers[].Digest'").run().ok().text();
    for digest in shared.lines() {
        env.sh(&format!("tar tf delta.tar | grep {}", &digest[7..])).run().status(1);
    }
    let count = |text: String| text.parse::<usize>().unwrap();
    assert_eq!(count(blobs("delta.tar")) + shared.lines().count(), count(blobs("whole.tar")));
    let pinned = env.sh("img-digest --full-ref whiteouts").run().ok().text();
    env.sh("img-load --root other <delta.tar").run().ok().stdout(&pinned);
    env.sh("img-fsck -q --root other; img-save --root other whiteouts | cmp - whole.tar").run().ok();
    // Plain lines, a directory, and a store that lacks what was left out: all of it is said.
    env.sh("img-inspect whiteouts | jq -r '.Layers[].Digest' >all.txt; \
            img-save --except-from all.txt --format oci-dir -o dir whiteouts")
        .run()
        .ok();
    let all = env.sh("cat all.txt").run().ok().text();
    let digests: Vec<&str> = all.lines().collect();
    assert!(digests.len() > 1);
    env.sh("img-load --root third -i dir").run().status(1).one_error(&digests).stdout("");
    env.sh("img-ls -aq --root third; find third/blobs third/layers -type f").run().stdout("");
    env.sh("img-save --except-from all.txt --format docker-archive whiteouts >x.tar")
        .run()
        .status(2)
        .one_error(&["all its layers"]);
    env.sh("img-save --except-from nowhere whiteouts >x.tar").run().one_error(&["nowhere"]);
}

#[test]
fn a_loaded_image_runs() {
    needs!(Root);
    let env = Env::with_images(&["whiteouts"]);
    env.sh("img-save --format docker-archive whiteouts >w.tar && img-rm whiteouts && img-load -i w.tar")
        .run()
        .ok();
    env.sh("ctr-run --rm --network none whiteouts cat /etc/motd").run().ok().stdout("replaced\n");
    env.sh("ctr-run --rm --network none whiteouts ls /var").run().ok().stdout("new\n");
}

#[test]
fn names_that_cannot_be_printed_are_no_success() {
    needs!(Root);
    let env = Env::with_images(&["whiteouts"]);
    env.sh("img-save whiteouts >w.tar").run().ok();
    env.sh("img-load -i w.tar >/dev/full").run().status(125).one_error(&["write standard output"]);
}

#[test]
fn a_load_that_waits_for_more_can_be_interrupted() {
    needs!(Root);
    let env = Env::with_images(&["whiteouts"]);
    // The archive does not end: its writer stays.
    let writer = env
        .sh("mkfifo f; img-save whiteouts >w.tar; exec 3<>f; head -c 2000 w.tar >&3; touch ready; exec sleep 60")
        .start();
    env.sh("until test -e ready; do sleep 0.02; done").run().ok();
    let load = env.sh("exec img-load <f").start();
    env.sh("until test -n \"$(find $LONGSHORE_ROOT/tmp -mindepth 1)\"; do sleep 0.02; done").run().ok();
    load.signal("INT");
    load.wait().status(130).one_error(&["interrupted"]).took_less_than(Duration::from_secs(20));
    env.sh("find $LONGSHORE_ROOT/tmp -mindepth 1").run().ok().stdout("");
    writer.signal("KILL");
    writer.wait().status_is_not(0);
}

#[test]
fn foreign_tools_read_each_form() {
    needs!(Root);
    let env = Env::with_images(&["whiteouts"]);
    let id = env.sh("img-inspect whiteouts | jq -r .Id").run().ok().line();
    let name = "docker.io/library/whiteouts:latest";
    env.sh("img-save whiteouts >oci.tar; img-save --format oci-dir -o dir whiteouts; \
            img-save --format docker-archive -o docker.tar whiteouts")
        .run()
        .ok();
    for from in [
        format!("oci-archive:oci.tar:{name}"),
        format!("docker-archive:oci.tar:{name}"),
        format!("oci:dir:{name}"),
        format!("docker-archive:docker.tar:{name}"),
    ] {
        let line = format!("skopeo inspect --config --raw {from} | sha256sum | cut -d' ' -f1");
        assert_eq!(format!("sha256:{}", env.sh(&line).run().ok().line()), id, "{from}");
        // All of it, not what describes it alone.
        env.sh(&format!("rm -rf all && skopeo copy -q {from} dir:all")).run().ok();
    }
    // umoci splits at the last colon but knows only simple tags.
    env.sh("skopeo copy -q oci:dir:docker.io/library/whiteouts:latest oci:dir:simple && umoci unpack --image dir:simple out")
        .run()
        .ok();
    env.sh("cat out/rootfs/etc/motd; ls out/rootfs/var").run().ok().stdout("replaced\nnew\n");
}

#[test]
fn what_foreign_tools_write_is_read() {
    needs!(Root);
    let env = Env::with_images(&["whiteouts"]);
    let expected = layers(&env, "whiteouts");
    env.sh("skopeo copy -q \"$(img-path --oci whiteouts)\" oci-archive:a.tar:one.example/a:1; \
            skopeo copy -q \"$(img-path --oci whiteouts)\" docker-archive:b.tar:one.example/b:1; \
            skopeo copy -q \"$(img-path --oci whiteouts)\" oci:c:one.example/c:1; \
            tar -C c -czf d.tar.gz .; zstd -q a.tar -o a.tar.zst")
        .run()
        .ok();
    for (line, name) in [
        ("img-load -i a.tar", "one.example/a:1"),
        ("img-load <b.tar", "one.example/b:1"),
        ("img-load -i c", "one.example/c:1"),
        ("img-load -t d -i d.tar.gz", "d"),
        ("img-load -t e <a.tar.zst", "e"),
    ] {
        env.sh(line).run().ok();
        assert_eq!(layers(&env, name), expected, "{line}");
    }
    // What umoci changes is another image.
    env.sh("umoci config --image c:one.example/c:1 --tag simple --config.label x=y 2>/dev/null || \
            { skopeo copy -q oci:c:one.example/c:1 oci:c:plain && umoci config --image c:plain --tag simple --config.label x=y; }")
        .run()
        .ok();
    env.sh("img-load -i c").run().ok();
    env.sh("img-inspect simple | jq -r .Labels.x").run().ok().stdout("y\n");
}

#[test]
fn a_name_stays_with_its_image_unless_it_is_to_be_replaced() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1", "tiny:2"]);
    env.sh("img-save tiny:1 >tiny.tar; img-tag tiny:2 tiny:1").run().ok();
    env.sh("img-load <tiny.tar").run().status(1).one_error(&["tiny:1", "another image has this name"]);
    env.sh("test $(img-digest tiny:1) = $(img-digest tiny:2)").run().ok();
    env.sh("img-load --tag tiny:3 <tiny.tar && img-load --replace <tiny.tar").run().ok();
    env.sh("test $(img-digest tiny:1) = $(img-digest tiny:3)").run().ok();
    env.sh("img-save tiny:1 tiny:2 >two.tar; true").run().ok();
    env.sh("img-load -t one <two.tar").run().status(2).one_error(&["2 images"]);
}

#[test]
fn only_whole_files_appear() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1"]);
    env.sh("img-save -o x.tar nothing").run().status(1).one_error(&["nothing"]);
    env.sh("echo before >x.tar; img-save -o x.tar nothing; cat x.tar").run().stdout("before\n");
    env.sh("mkdir full; touch full/x; img-save --format oci-dir -o full tiny:1")
        .run()
        .status(1)
        .one_error(&["not empty"]);
    env.sh("img-save --format oci-dir tiny:1").run().status(2).one_error(&["-o"]);
    env.sh("for blob in $(img-path --blobs tiny:1); do cp $blob kept; printf x | dd of=$blob conv=notrunc status=none; done")
        .run()
        .ok();
    env.sh("rm x.tar; img-save -o x.tar tiny:1").run().status(125).one_error(&["has digest"]);
    env.sh("img-save --format oci-dir -o new tiny:1").run().status(125).one_error(&["has digest"]);
    env.sh("ls -A | xargs").run().ok().stdout("full kept\n");
    // The content of a seeded store is shared with other tests.
    env.sh("cat kept >$(img-path --blobs tiny:1)").run().ok();
}

#[test]
fn an_archive_that_lies_is_refused_and_leaves_nothing() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1"]);
    env.sh("img-save --format oci-dir -o good tiny:1; mkdir store; touch evil; echo x >link-target")
        .run()
        .ok();
    let lies = [
        ("tar -C good -cf t.tar . && tar -rf t.tar --transform 's,^,../,' evil", 2, "leads out"),
        ("tar -C good -cf t.tar . && tar -P -rf t.tar --transform 's,^,/tmp/,' evil", 2, "absolute"),
        ("tar -C good -cf t.tar . && tar -C good -rf t.tar ./index.json", 2, "twice"),
        (
            "mkdir -p d; mknod d/null c 1 3; tar -C good -cf t.tar . && tar -C d -rf t.tar null",
            2,
            "is a device",
        ),
        (
            "mkdir -p l; ln -sf /etc/passwd l/blob; tar -C good -cf t.tar . && tar -C l -rf t.tar blob",
            2,
            "leads out",
        ),
        ("tar -C good -cf w.tar . && head -c 20000 w.tar >t.tar", 125, "ends in the middle"),
        (
            "cp -r good bad; for b in bad/blobs/sha256/*; do echo x >>$b; done; tar -C bad -cf t.tar .",
            1,
            "has digest",
        ),
        ("head -c 1500M /dev/zero | zstd -q >t.tar", 125, "beyond all measure"),
        ("echo this is no archive >t.tar", 125, "archive"),
    ];
    for (make, status, part) in lies {
        env.sh(make).run().ok();
        let load =
            env.sh("img-load --root store/root --run store/run <t.tar").within(Duration::from_secs(60));
        load.run().status(status).stdout("").one_error(&[part]);
        env.sh("img-ls -q --root store/root --run store/run; \
                find store/root/tmp store/root/partial store/root/blobs/sha256 store/root/layers/sha256 -mindepth 1")
            .run()
            .ok()
            .stdout("");
    }
}

#[test]
fn a_load_that_is_killed_leaves_nothing_that_stays() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.sh("img-save httpd >h.tar && img-rm httpd").run().ok();
    // The archive comes to its middle and waits there.
    let load = env.sh("{ head -c 3000000 h.tar; sleep 20; } | img-load & pid=$!; \
                       until find $LONGSHORE_ROOT/tmp -size +2000k | grep -q .; do sleep 0.05; done; kill -9 $pid; wait $pid");
    load.run().status(137);
    env.sh("img-ls -q").run().ok().stdout("");
    env.sh("img-load <h.tar && ls $LONGSHORE_ROOT/tmp $LONGSHORE_ROOT/partial")
        .run()
        .ok()
        .stdout_lacks("layer-");
}
