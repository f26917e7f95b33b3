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
    for option in ["--unused-for 7d", "--max-bytes 20G", "--keep-last 3"] {
        env.sh(&format!("img-gc {option}")).run().status(2).one_error(&["not supported yet"]);
    }
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
