//! Images of the store: looked at and named.

use tests::Env;

/// What a foreign tool says the digest of a name in the local registry is.
fn digest_in_registry(env: &Env, name: &str) -> String {
    let line = format!(
        "skopeo inspect --raw --tls-verify=false docker://127.0.0.1:5000/library/{name} | sha256sum | cut -d' ' -f1"
    );
    format!("sha256:{}", env.sh(&line).run().ok().line())
}

#[test]
fn an_image_gets_more_names_and_every_tool_finds_it_by_each() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("img-tag busybox team/app:1 localhost:5000/x")
        .run()
        .ok()
        .stdout("team/app:1\nlocalhost:5000/x:latest\n");
    let ids = env.sh("img-ls -q | sort -u | wc -l; img-ls -q | wc -l").run().ok().text();
    assert_eq!(ids, "1\n3\n");
    env.sh("ctr-run --rm --network none team/app:1 echo it").run().ok().stdout("it\n");
    env.sh("skopeo copy -q oci:$LONGSHORE_ROOT:docker.io/team/app:1 dir:out").run().ok();
    // Its content goes with its last name only.
    env.sh("img-rm busybox localhost:5000/x").run().ok();
    env.sh("ctr-run --rm --network none team/app:1 echo still").run().ok().stdout("still\n");
}

#[test]
fn a_name_moves_and_who_had_it_is_found_by_its_digest() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1", "tiny:2"]);
    let before = env.sh("img-digest --full-ref tiny:2").run().ok().line();
    env.sh("img-tag tiny:1 tiny:2").run().ok();
    env.sh("test $(img-digest tiny:1) = $(img-digest tiny:2)").run().ok();
    assert_eq!(env.sh(&format!("img-digest --full-ref {before}")).run().ok().line(), before);
    // What leads there already is no change, and no error.
    env.sh("img-tag tiny:1 tiny:2 && img-ls -q | wc -l").run().ok().stdout("tiny:2\n3\n");
}

#[test]
fn a_pulled_image_is_named_in_a_pipe() {
    needs!(Root);
    let env = Env::online();
    env.sh("img-pull -q tiny:1 | img-tag - mine:now | img-rm -n -").run().ok().stdout("Untagged: mine:now\n");
}

#[test]
fn names_that_nobody_can_give_are_refused_and_the_others_are_given() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1"]);
    let pinned = env.sh("img-digest --full-ref tiny:1").run().ok().line();
    env.sh(&format!("img-tag tiny:1 {pinned}")).run().status(1).one_error(&["has a digest"]);
    env.sh("img-tag tiny:1 Bad good").run().status(1).stdout("good:latest\n").stderr_has("lower-case");
    env.sh("img-tag nothing new").run().status(1).one_error(&["no such image", "nothing"]);
    env.sh("img-tag tiny:1").run().status(2).one_error(&["NAME"]);
}

#[test]
fn a_digest_is_that_of_the_registry_here_and_there() {
    needs!(Root);
    let env = Env::with_images(&["busybox:multi", "tiny:1"]);
    for name in ["busybox:multi", "tiny:1"] {
        let expected = digest_in_registry(&env, name);
        for line in [format!("img-digest {name}"), format!("img-digest --remote {name}")] {
            assert_eq!(env.sh(&line).run().ok().line(), expected, "{line}");
        }
    }
    let arm = env
        .sh("skopeo inspect --raw --tls-verify=false docker://127.0.0.1:5000/library/busybox:multi \
             | jq -r '.manifests[] | select(.platform.architecture == \"arm64\").digest'")
        .run()
        .ok()
        .line();
    env.sh("img-digest --remote --platform linux/arm64 busybox:multi").run().ok().stdout(format!("{arm}\n"));
    env.sh("img-digest --platform linux/arm64 tiny:1").run().status(2).one_error(&["--remote"]);
    env.sh("img-digest --remote nothing").run().status(1).one_error(&["nothing"]);
}

#[test]
fn raw_documents_are_those_whose_digests_name_them() {
    needs!(Root);
    let env = Env::with_images(&["busybox:multi"]);
    let hash = |line: &str| {
        format!("sha256:{}", env.sh(&format!("{line} | sha256sum | cut -d' ' -f1")).run().ok().line())
    };
    let record = env.sh("img-inspect busybox:multi").run().ok().json();
    assert_eq!(hash("img-inspect --raw busybox:multi"), record["Digest"]);
    assert_eq!(hash("img-inspect --config busybox:multi"), record["Id"]);
    let manifest = record["Manifest"].as_str().unwrap();
    assert_eq!(hash(&format!("img-inspect --raw busybox@{manifest}")), manifest);
    assert_eq!(hash("img-inspect --remote --raw busybox:multi"), record["Digest"]);
    assert_eq!(hash("img-inspect --remote --config busybox:multi"), record["Id"]);
    let here = format!(
        "img-inspect --remote --raw --platform {} busybox:multi",
        record["Platform"].as_str().unwrap()
    );
    assert_eq!(hash(&here), manifest);
    env.sh("img-inspect --raw busybox:multi tiny:1").run().status(2).one_error(&["one name"]);
}

#[test]
fn an_image_is_described_as_foreign_tools_do_it() {
    needs!(Root);
    let env = Env::with_images(&["settings"]);
    let ours = env.sh("img-inspect settings").run().ok().json();
    let theirs = env
        .sh("skopeo inspect --tls-verify=false docker://127.0.0.1:5000/library/settings | jq -c .")
        .run()
        .ok()
        .json();
    let config = env
        .sh("skopeo inspect --config --tls-verify=false docker://127.0.0.1:5000/library/settings | jq -c .")
        .run()
        .ok()
        .json();
    for (name, value) in [
        ("Digest", &theirs["Digest"]),
        ("Os", &theirs["Os"]),
        ("Architecture", &theirs["Architecture"]),
        ("Labels", &theirs["Labels"]),
        ("Config", &config["config"]),
    ] {
        assert_eq!(&ours[name], value, "{name}");
    }
    assert_eq!(ours["RootFS"]["Layers"], config["rootfs"]["diff_ids"]);
    let layers: Vec<_> = ours["Layers"].as_array().unwrap().iter().map(|l| l["Digest"].clone()).collect();
    assert_eq!(serde_json::Value::Array(layers), theirs["Layers"]);
    // What a list says of it is part of it, and what the registry says differs in what is only here.
    let listed = env.sh("img-ls --json settings").run().ok().json();
    for (name, value) in listed.as_object().unwrap() {
        assert_eq!(&ours[name], value, "{name}");
    }
    let mut here = ours;
    here.as_object_mut().unwrap().remove("Size");
    assert_eq!(env.sh("img-inspect --remote settings").run().ok().json(), here);
}

#[test]
fn a_registry_is_searched_by_its_names() {
    needs!(Root);
    let env = Env::online();
    let theirs = env
        .sh("curl -sf http://127.0.0.1:5000/v2/_catalog?n=1000 | jq -r '.repositories[] | select(contains(\"bus\"))'")
        .run()
        .ok()
        .text();
    assert!(!theirs.is_empty());
    env.sh("img-search -q --limit 100 127.0.0.1:5000/bus | sed s,^127.0.0.1:5000/,,")
        .run()
        .ok()
        .stdout(&theirs);
    env.sh("img-search -q 127.0.0.1:5000/ | sed -n 1p | xargs img-tags -q").run().ok();
    env.sh("img-search 127.0.0.1:5000/bus").run().ok().stdout_has("OFFICIAL");
    env.sh("img-search 127.0.0.1:5000/nothing-of-it").run().ok().stderr("");
    env.sh("img-search --filter stars=1 -q 127.0.0.1:5000/bus").run().ok().stdout("");
    env.sh("img-search --limit 101 bus").run().status(2).one_error(&["1 to 100"]);
    env.sh("img-search --filter is-automated=true bus").run().status(2).one_error(&["is-automated"]);
    env.sh("img-search 127.0.0.1:5009/bus").run().status(125).one_error(&["127.0.0.1:5009"]);
    env.sh("img-serve --addr 127.0.0.1:5008 >/dev/null & trap \"kill $!\" EXIT; \
            img-pull -q busybox && until img-search -q 127.0.0.1:5008/busy 2>/dev/null; do sleep 0.05; done")
        .run()
        .ok()
        .stdout_has("127.0.0.1:5008/busybox");
}

#[test]
fn tags_are_those_that_foreign_tools_list_in_the_order_of_versions() {
    needs!(Root);
    let env = Env::online();
    let theirs = env
        .sh("skopeo list-tags --tls-verify=false docker://127.0.0.1:5000/library/busybox | jq -r '.Tags[]' | sort")
        .run()
        .ok()
        .text();
    assert_eq!(env.sh("img-tags -q busybox | LC_ALL=C sort").run().ok().text(), theirs);
    env.sh("img-tags -q --match '1*' busybox").run().ok().stdout("1\n1.36\n");
    let long = env.sh("img-tags --json -l --match multi busybox").run().ok().json();
    assert_eq!(long["Digest"], digest_in_registry(&env, "busybox:multi"));
    let download = env.sh("img-inspect --remote busybox:multi | jq .DownloadSize").run().ok().line();
    assert_eq!(long["DownloadSize"].to_string(), download);
    // An index without the platform is said to be one, and hides no other.
    let line = "img-tags -q -l --platform linux/s390x busybox";
    let out = env.sh(line).run().status(1).stderr_has("busybox:multi").stdout_lacks("multi");
    assert!(out.text().contains("latest"));
    env.sh("img-tags 127.0.0.1:5000/nothing").run().status(1).one_error(&["nothing"]);
    env.sh("img-tags busybox:1").run().status(2).one_error(&["has a tag"]);
    env.sh("img-tags --platform linux/arm64 busybox").run().status(2).one_error(&["--long"]);
}

#[test]
fn asking_a_registry_changes_nothing_here() {
    needs!(Root);
    let env = Env::online();
    env.sh("img-inspect --remote httpd && img-digest --remote httpd").run().ok();
    env.sh("find $LONGSHORE_ROOT -type f").run().ok().stdout("");
}

#[test]
fn an_image_is_where_it_is_said_to_be() {
    needs!(Root);
    let env = Env::with_images(&["whiteouts"]);
    env.sh("img-path whiteouts | wc -l; cat $(img-path whiteouts | head -1)/etc/motd")
        .run()
        .ok()
        .stdout("2\nreplaced\n");
    env.sh("stat -c %F:%t,%T $(img-path whiteouts | head -1)/etc/group")
        .run()
        .ok()
        .stdout_has("character special file:0,0");
    let blobs = env.sh("sha256sum $(img-path --blobs whiteouts) | cut -d' ' -f1").run().ok().text();
    let layers = env
        .sh("img-inspect whiteouts | jq -r '.Layers | reverse | .[].Digest' | cut -d: -f2")
        .run()
        .ok()
        .text();
    assert_eq!(blobs, layers);
    env.sh("skopeo inspect \"$(img-path --oci whiteouts)\" | jq -r .Digest").run().ok().stdout_has("sha256:");
}

#[test]
fn the_steps_of_an_image_are_listed_with_dockers_columns() {
    needs!(Root);
    let env = Env::with_images(&["settings", "httpd"]);
    let text = env.sh("img-history httpd").run().ok().text();
    let heads: Vec<_> =
        text.lines().next().unwrap().split("   ").map(str::trim).filter(|w| !w.is_empty()).collect();
    assert_eq!(heads, ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]);
    assert!(text.lines().nth(2).unwrap().starts_with("<missing>"), "{text}");
    let steps = env.sh("img-history --json httpd").run().ok().json_lines();
    let config = env.sh("img-inspect --config httpd").run().ok().json();
    let told = config["history"].as_array().unwrap();
    assert!(steps.len() >= told.len() && steps.len() >= 4, "{steps:?}");
    let made: Vec<_> = steps.iter().rev().filter_map(|s| s.get("Layer").cloned()).collect();
    assert_eq!(serde_json::Value::Array(made), config["rootfs"]["diff_ids"]);
    let id = env.sh("img-history -q --no-trunc httpd | sed -n 1p").run().ok().line();
    assert_eq!(steps[0]["Id"], id.as_str());
    let plain = env.sh("img-history --human=false settings").run().ok().text();
    assert!(plain.lines().skip(1).all(|l| l.contains("T") && l.contains('Z')), "{plain}");
}
