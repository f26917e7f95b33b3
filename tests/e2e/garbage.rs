//! Garbage and damage in the store.

use tests::Env;

/// The store has this many blobs and layers.
fn count(env: &Env) -> String {
    env.sh("ls $LONGSHORE_ROOT/blobs/sha256 | wc -l; ls $LONGSHORE_ROOT/layers/sha256 | wc -l; ls $LONGSHORE_ROOT/partial | wc -l")
        .run()
        .ok()
        .text()
        .replace('\n', " ")
}

/// Flips a byte of the first compressed layer of an image, in a copy: other tests share the file.
fn damage(env: &Env, image: &str) -> String {
    env.sh(&format!(
        "blob=$(img-path --blobs {image} | head -1); cp $blob copy; printf x | dd of=copy bs=1 seek=100 conv=notrunc status=none; \
         mv copy $blob; echo sha256:${{blob##*/}}"
    ))
    .run()
    .ok()
    .line()
}

#[test]
fn only_what_nobody_needs_is_garbage() {
    needs!(Root);
    let env = Env::with_images(&["busybox:multi", "whiteouts", "tiny:1"]);
    env.sh("img-gc -q").run().ok().stdout("");
    // A name that another tool writes, an image without a name that a container uses, and leftovers.
    env.sh("skopeo copy -q \"$(img-path --oci tiny:1)\" oci:$LONGSHORE_ROOT:foreign && img-rm tiny:1")
        .run()
        .ok();
    env.sh("ctr-create --name user whiteouts true && img-rm -f whiteouts").run().ok();
    let before = count(&env);
    env.sh("head -c 1000 /dev/urandom >g; h=$(sha256sum g | cut -d' ' -f1); cp g $LONGSHORE_ROOT/blobs/sha256/$h; \
            cp g $LONGSHORE_ROOT/partial/$h; cp g $LONGSHORE_ROOT/partial/0${h#?}; touch -d '2 hours ago' $LONGSHORE_ROOT/partial/0${h#?}; \
            mkdir -p $LONGSHORE_ROOT/layers/sha256/$h/tree/d $LONGSHORE_ROOT/tmp/layer-dead/x")
        .run()
        .ok();
    let listed = env.sh("img-gc -n --json | jq -r .Type | sort | xargs").run().ok().line();
    assert_eq!(listed, "blob layer partial");
    let removed = env.sh("img-gc --json | jq -r .Type | sort | xargs").run().ok().line();
    assert_eq!(removed, listed);
    // The download that was touched a moment ago is kept for the next pull.
    env.sh("rm $LONGSHORE_ROOT/partial/*; ls $LONGSHORE_ROOT/tmp").run().ok().stdout("");
    assert_eq!(count(&env), before);
    env.sh("ctr-start user && ctr-rm -f user").run().ok();
    env.sh("skopeo copy -q oci:$LONGSHORE_ROOT:foreign dir:out && ctr-run --rm --network none busybox:multi true")
        .run()
        .ok();
    for (option, part) in
        [("--unused-for 7", "bad age"), ("--unused-for -1h", "bad age"), ("--max-bytes x", "bad size")]
    {
        env.sh(&format!("img-gc {}", option.replacen(' ', "=", 1))).run().status(2).one_error(&[part]);
    }
}

/// Makes an image one that was used last so many days ago.
fn unused(env: &Env, image: &str, days: u32) {
    env.sh(&format!(
        "touch -d '{days} days ago' $LONGSHORE_ROOT/blobs/sha256/$(img-inspect {image} | jq -r .Manifest | cut -d: -f2)"
    ))
    .run()
    .ok();
}

/// The names of the images that a policy retires; says so first with `-n`.
fn retired(env: &Env, policy: &str) -> String {
    let names = |dry: &str| {
        env.sh(&format!(
            "img-gc {dry} {policy} --json | jq -r 'select(.Type == \"image\") | .Names[]' | xargs"
        ))
        .run()
        .ok()
        .line()
    };
    let before = env.sh("img-ls --json").run().ok().text();
    let said = names("-n");
    assert_eq!(env.sh("img-ls --json").run().ok().text(), before, "-n changes nothing");
    assert_eq!(names(""), said);
    env.sh("img-fsck -q").run().ok().stdout("");
    env.sh("img-gc -q").run().ok().stdout("");
    said
}

#[test]
fn images_that_nobody_has_used_for_long_go() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "tiny:1", "whiteouts", "settings"]);
    env.sh("img-tag tiny:1 tiny:also && ctr-create --name user whiteouts true").run().ok();
    for (image, days) in [("busybox", 3), ("tiny:1", 9), ("whiteouts", 20), ("settings", 0)] {
        unused(&env, image, days);
    }
    assert_eq!(retired(&env, "--unused-for 10d"), "", "a container uses it");
    assert_eq!(retired(&env, "--unused-for 1w --keep-last 3"), "", "the three that were used last stay");
    assert_eq!(retired(&env, "--unused-for 1w"), "tiny:1 tiny:also", "with all its names");
    env.sh("ctr-rm user && ctr-run --rm --network none busybox true").run().ok();
    // The container that was made of it a moment ago counts, although it is gone.
    assert_eq!(retired(&env, "--unused-for 2d"), "whiteouts:latest");
    unused(&env, "busybox", 5);
    // A pull that finds it up to date is a use as well.
    env.sh("img-pull -q settings busybox").run().ok();
    assert_eq!(retired(&env, "--unused-for 1h"), "");
    env.sh("ctr-run --rm --network none busybox true").run().ok();
}

#[test]
fn images_go_until_they_take_no_more_than_they_may() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "httpd", "whiteouts", "tiny:1"]);
    for (image, days) in [("busybox", 1), ("httpd", 2), ("whiteouts", 3), ("tiny:1", 4)] {
        unused(&env, image, days);
    }
    let taken = || {
        let line = "img-gc -n --keep-last 0 --json | jq -s 'map(select(.Type != \"image\").Size) | add'";
        env.sh(line).run().ok().line().parse::<u64>().unwrap()
    };
    let all = taken();
    assert_eq!(retired(&env, &format!("--max-bytes {all}")), "");
    assert_eq!(
        retired(&env, &format!("--max-bytes {}", all - 1)),
        "tiny:1",
        "the longest unused one, and no more"
    );
    assert_eq!(retired(&env, "--max-bytes 1 --keep-last 2"), "whiteouts:latest");
    let all = taken();
    assert_eq!(retired(&env, &format!("--max-bytes {}", all / 2)), "httpd:latest");
    assert!(taken() <= all / 2);
    assert_eq!(retired(&env, "--keep-last 0"), "busybox:latest");
    assert_eq!(count(&env), "0 0 0 ");
}

#[test]
fn damage_is_found_named_and_mended() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "busybox:multi", "tiny:1"]);
    env.sh("img-fsck -q").run().ok().stdout("");
    let pinned = env.sh("img-digest --full-ref tiny:1").run().ok().line();
    let blob = damage(&env, "tiny:1");
    let missing = env
        .sh("rm $(img-path --blobs busybox); img-inspect busybox | jq -r .Layers[0].Digest")
        .run()
        .ok()
        .line();
    let layer = env.sh("img-inspect busybox | jq -r .RootFS.Layers[0]; rm -r $LONGSHORE_ROOT/layers/sha256/$(img-path busybox | cut -d/ -f7)").run().ok();
    let layer = layer.text().lines().next().unwrap().to_owned();
    let found = env.sh("img-fsck --json").run();
    assert_eq!(found.code(), 1, "{found}");
    let found = found.json_lines();
    let one = |problem: &str| found.iter().find(|f| f["Problem"] == problem).unwrap();
    assert_eq!(one("damaged blob")["Digest"], blob.as_str());
    assert_eq!(one("damaged blob")["Images"][0], pinned.as_str());
    assert_eq!(one("missing blob")["Digest"], missing.as_str());
    assert_eq!(one("missing blob")["Images"].as_array().unwrap().len(), 2);
    assert_eq!(one("missing layer")["Digest"], layer.as_str());
    // Nothing was changed by looking.
    env.sh("img-fsck -q").run().status(1).stdout_has(&blob);
    env.sh("img-fsck --fix --json | jq .Fixed | sort -u").run().ok().stdout("true\n");
    env.sh("img-fsck -q").run().ok().stdout("");
    env.sh("test $(img-digest --full-ref tiny:1) = $(echo tiny:1 | xargs img-digest --full-ref)").run().ok();
    assert_eq!(env.sh("img-digest --full-ref tiny:1").run().ok().line(), pinned);
    env.sh("ctr-run --rm --network none busybox echo again").run().ok().stdout("again\n");
}

#[test]
fn what_cannot_be_fetched_is_said_and_garbage_waits_for_it() {
    needs!(Root);
    let mut env = Env::with_images(&["tiny:1"]);
    env.sh("rm $LONGSHORE_ROOT/blobs/sha256/$(img-inspect tiny:1 | jq -r .Manifest | cut -d: -f2)")
        .run()
        .ok();
    env.sh("img-gc").run().status(125).one_error(&["tiny:1"]).stderr_has("img-fsck");
    env.cut_off();
    env.sh("img-fsck --fix -q").run().status(1).stderr_has("tiny").stdout_has("sha256:");
    env.sh("img-fsck --json | jq -r .Problem").run().status(1).stdout("missing blob\n");
}
