//! Chapter 3: list and remove images.

use tests::Env;

#[test]
fn images_are_listed_with_dockers_columns_and_names() {
    needs!(Root);
    let env = Env::with_images(&["httpd", "localhost:5000/library/busybox:1.36"]);
    let text = env.sh("img-ls").run().ok().text();
    let mut lines = text.lines();
    let heads: Vec<_> = lines.next().unwrap().split("   ").map(str::trim).filter(|w| !w.is_empty()).collect();
    assert_eq!(heads, ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    let mut rows: Vec<Vec<_>> = lines.map(|l| l.split_whitespace().collect()).collect();
    rows.sort();
    assert_eq!((rows[0][0], rows[0][1]), ("httpd", "latest"));
    assert_eq!((rows[1][0], rows[1][1]), ("localhost:5000/library/busybox", "1.36"));
    assert_eq!(rows[0][2].len(), 12, "a short id: {text}");
    assert!(
        text.contains("months ago") || text.contains("years ago") || text.contains("weeks ago"),
        "{text}"
    );
}

#[test]
fn a_list_is_narrowed_by_repository_and_tag() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1", "tiny:2", "busybox"]);
    let count = |line: &str| env.sh(&format!("{line} | wc -l")).run().ok().line();
    assert_eq!(count("img-ls -q tiny"), "2");
    assert_eq!(count("img-ls -q tiny:2"), "1");
    assert_eq!(count("img-ls -q docker.io/library/tiny:2"), "1");
    assert_eq!(count("img-ls -q nothing"), "0");
}

#[test]
fn records_of_images_are_for_jq() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1", "tiny:2"]);
    env.sh("img-ls --json | jq -r .Size").run().ok().stdout_has("\n");
    for record in env.sh("img-ls --json").run().ok().json_lines() {
        assert!(record["Size"].as_u64().is_some_and(|size| size > 1_000_000), "{record}");
    }
    let ids = env.sh("img-ls --json | jq -r .Id").run().ok().text();
    let quiet = env.sh("img-ls -q").run().ok().text();
    for (long, short) in ids.lines().zip(quiet.lines()) {
        assert!(long.contains(short), "{long} {short}");
    }
}

#[test]
fn an_image_is_removed_by_name_id_and_pipe() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1", "tiny:2", "tiny:3"]);
    env.sh("img-rm tiny:1").run().ok();
    env.sh("img-rm $(img-ls -q tiny:2)").run().ok();
    env.sh("img-ls -q tiny | img-rm -").run().ok();
    env.sh("img-ls -q").run().ok().stdout("");
    env.sh("find $LONGSHORE_ROOT/layers/sha256 $LONGSHORE_ROOT/blobs/sha256 -mindepth 1")
        .run()
        .ok()
        .stdout("");
}

#[test]
fn layers_that_another_image_shares_stay() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "whiteouts"]);
    env.sh("img-rm whiteouts").run().ok();
    env.sh("ctr-run --rm --network none busybox echo still").run().ok().stdout("still\n");
}

#[test]
fn an_image_in_use_is_refused_and_removed_afterwards() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-create --name user busybox true").run().ok();
    env.sh("img-rm busybox").run().status(1).one_error(&["busybox", "user"]);
    env.sh("ctr-rm user && img-rm busybox").run().ok();
    env.sh("img-ls -q").run().ok().stdout("");
}
