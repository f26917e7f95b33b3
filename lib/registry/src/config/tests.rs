//! Tables of what the files mean.

use super::*;

fn read(conf: &str) -> Registries {
    let mut registries = Registries::default();
    registries.add("test.conf", conf).expect(conf);
    registries
}

fn places(conf: &str, image: &str) -> Vec<String> {
    let found = read(conf).endpoints(&image.parse().expect(image)).expect(image);
    let flag = |b: bool, c: &str| if b { c.to_owned() } else { String::new() };
    found
        .iter()
        .map(|e| {
            format!("{}/{}{}{}", e.host, e.path, flag(e.insecure, " insecure"), flag(e.mirror, " mirror"))
        })
        .collect()
}

const MIRRORED: &str = r#"
    unqualified-search-registries = ["x.example"]
    [[registry]]
    prefix = "docker.io"
    location = "docker.io"
    [[registry.mirror]]
    location = "127.0.0.1:5000"
    insecure = true
    [[registry.mirror]]
    location = "mirror.example/hub"
    pull-from-mirror = "digest-only"
    [[registry]]
    prefix = "docker.io/library/busybox"
    location = "quay.example/bb"
    [[registry]]
    prefix = "*.corp.example"
    location = "all.example"
    [[registry]]
    prefix = "*.own.example"
    insecure = true
    [[registry]]
    prefix = "special.corp.example/x"
    location = "special.example/"
    [[registry]]
    prefix = "tagged.example/a:1"
    location = "one.example/b"
    [[registry]]
    location = "[::1]:5000"
    "#;

#[test]
fn the_longest_prefix_decides_where_to_ask() {
    let hub = "registry-1.docker.io/library";
    let pinned = format!("httpd@sha256:{}", "0a".repeat(32));
    for (image, want) in [
        ("httpd", vec!["127.0.0.1:5000/library/httpd insecure mirror".to_owned(), format!("{hub}/httpd")]),
        (
            &pinned,
            vec![
                "127.0.0.1:5000/library/httpd insecure mirror".to_owned(),
                "mirror.example/hub/library/httpd mirror".to_owned(),
                format!("{hub}/httpd"),
            ],
        ),
        ("busybox:1.36", vec!["quay.example/bb".to_owned()]),
        (
            "busybox2",
            vec!["127.0.0.1:5000/library/busybox2 insecure mirror".to_owned(), format!("{hub}/busybox2")],
        ),
        ("a.corp.example/x/y", vec!["all.example/x/y".to_owned()]),
        ("a.b.corp.example/x", vec!["all.example/x".to_owned()]),
        ("a.corp.example:5000/x", vec!["all.example:5000/x".to_owned()]),
        ("special.corp.example/x/y", vec!["special.example/y".to_owned()]),
        ("a.own.example:1/x", vec!["a.own.example:1/x insecure".to_owned()]),
        ("corp.example/x", vec!["corp.example/x".to_owned()]),
        ("evilcorp.example/x", vec!["evilcorp.example/x".to_owned()]),
        ("a.corp.example.org/x", vec!["a.corp.example.org/x".to_owned()]),
        ("other.example/a.corp.example", vec!["other.example/a.corp.example".to_owned()]),
        ("tagged.example/a:1", vec!["one.example/b".to_owned()]),
        ("tagged.example/a:2", vec!["tagged.example/a".to_owned()]),
        ("[::1]:5000/a", vec!["[::1]:5000/a".to_owned()]),
    ] {
        assert_eq!(places(MIRRORED, image), want, "{image}");
    }
    assert_eq!(places("", "httpd"), [format!("{hub}/httpd")]);
}

#[test]
fn a_mirror_is_asked_for_what_it_is_for() {
    let mirror = |rule: &str, from: &str| {
        format!(
            "[[registry]]\nlocation='r.example'\n{rule}\n[[registry.mirror]]\nlocation='m.example'\n{from}\n"
        )
    };
    let digest = format!("r.example/a@sha256:{}", "0a".repeat(32));
    let by_digest_only = "mirror-by-digest-only=true";
    for (rule, from, tag, by_digest) in [
        ("", "", true, true),
        ("", "pull-from-mirror=''", true, true),
        ("", "pull-from-mirror='all'", true, true),
        ("", "pull-from-mirror='digest-only'", false, true),
        ("", "pull-from-mirror='tag-only'", true, false),
        (by_digest_only, "", false, true),
        (by_digest_only, "pull-from-mirror=''", false, true),
    ] {
        let conf = mirror(rule, from);
        let asks = |image: &str| places(&conf, image)[0].starts_with("m.example");
        assert_eq!((asks("r.example/a:1"), asks(&digest)), (tag, by_digest), "{conf}");
    }
}

#[test]
fn bad_configuration_is_refused_with_the_name_of_its_file() {
    let mirror = "[[registry]]\nlocation='a.b'\n[[registry.mirror]]\n";
    for bad in [
        "[[registry]]",
        "[registries.search]\nregistries=[]",
        "x = ",
        "[[registry]]\nprefix='*x'",
        "[[registry]]\nprefix='*.'",
        "[[registry]]\nprefix='a.*.b'",
        "[[registry]]\nprefix='*.a.b/c'",
        "[[registry]]\nprefix='*.a.b:5000'",
        "[[registry]]\nprefix='b.example'\nlocation='https://x'",
        "[[registry]]\nprefix='http://b.example'\nlocation='x'",
        "[[registry]]\nlocation='a.b'\nblocked='yes'",
        "unqualified-search-registries=['https://a.example']",
        "unqualified-search-registries='a.example'",
        "short-name-mode='sometimes'",
        mirror,
        &format!("{mirror}location='m.b'\npull-from-mirror='never'"),
        "[[registry]]\nlocation='a.b'\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation='m.b'\npull-from-mirror='all'",
        "[aliases]\n'a:1'='b.example/a'",
        "[aliases]\n'a.b/c'='b.example/a'",
        "[aliases]\n'localhost/c'='b.example/a'",
        "[aliases]\n'a'='b/a'",
        "[aliases]\n'a'='b.example/a:1'",
        "[aliases]\n'a'='b.example/a'\n'a'='c.example/a'",
    ] {
        let err = Registries::default().add("bad.conf", bad).expect_err(bad);
        assert_eq!(err.to_string(), "read \"bad.conf\"", "{bad}");
    }
    let v1 = "[registries.search]\nregistries=['a.b']";
    assert_eq!(Registries::default().add("v1", v1).expect_err("v1").kind(), Kind::Unsupported);
    let blocked = read("[[registry]]\nprefix='a.example'\nblocked=true");
    let refused = blocked.endpoints(&"a.example/x".parse().expect("name")).expect_err("blocked");
    assert_eq!(refused.kind(), Kind::Denied);
    let odd = read("[[registry]]\nprefix='b.example'\nlocation='b c.example'");
    let refused = odd.endpoints(&"b.example/x".parse().expect("name")).expect_err("odd");
    assert_eq!(refused.kind(), Kind::Invalid);
    // As containers/image: keys of later versions are not ours to refuse.
    read("future = 1\n[[registry]]\nlocation='a.b'\nnew-key=true\n[additional]\nx=1");
}

#[test]
fn a_later_file_replaces_what_it_mentions() {
    let mut registries = read(
        "unqualified-search-registries=['one.example']\ncredential-helpers=['a']\n\
         [[registry]]\nlocation='r.example'\n[[registry.mirror]]\nlocation='m.example'\n\
         [aliases]\na='x.example/a'\nb='x.example/b'\n",
    );
    registries.add("2", "[[registry]]\nlocation='r.example'\ninsecure=true\n[aliases]\na=''\n").expect("2");
    let name = |text: &str| registries.names(text).expect(text)[0].to_string();
    assert_eq!(name("a"), "one.example/a:latest");
    assert_eq!(name("b"), "x.example/b:latest");
    let places = registries.endpoints(&"r.example/a".parse().expect("name")).expect("places");
    assert!(places.len() == 1 && places[0].insecure);
    assert_eq!(registries.credential_helpers(), ["a"]);
    registries.add("3", "unqualified-search-registries=[]\ncredential-helpers=[]").expect("3");
    registries.add_recorded("cache", "[aliases]\nb='y.example/b'").expect("cache");
    assert_eq!(registries.names("a").expect("a")[0].to_string(), "docker.io/library/a:latest");
    assert_eq!(registries.names("b").expect("b")[0].to_string(), "y.example/b:latest");
    assert_eq!(registries.credential_helpers(), [""; 0]);
}

#[test]
fn a_name_without_a_registry_is_looked_up() {
    let aliases = "[aliases]\nfedora='registry.fedora.example/fedora'\n'team/app'='r.example:5000/x/app'\n";
    let two = "unqualified-search-registries=['one.example','two.example/ns']\n";
    let digest = format!("sha256:{}", "0a".repeat(32));
    let by_digest = format!("fedora@{digest}");
    for (conf, given, want) in [
        ("", "httpd", vec!["docker.io/library/httpd:latest".to_owned()]),
        (aliases, "httpd:2", vec!["docker.io/library/httpd:2".to_owned()]),
        (aliases, "fedora", vec!["registry.fedora.example/fedora:latest".to_owned()]),
        (aliases, "fedora:39", vec!["registry.fedora.example/fedora:39".to_owned()]),
        (aliases, &by_digest, vec![format!("registry.fedora.example/fedora@{digest}")]),
        (aliases, "docker.io/fedora", vec!["docker.io/library/fedora:latest".to_owned()]),
        (aliases, "localhost/fedora", vec!["localhost/fedora:latest".to_owned()]),
        (aliases, "team/app", vec!["r.example:5000/x/app:latest".to_owned()]),
        (two, "a:1", vec!["one.example/a:1".to_owned(), "two.example/ns/a:1".to_owned()]),
        (
            &format!("{two}short-name-mode='disabled'"),
            "a/b",
            vec!["one.example/a/b:latest".to_owned(), "two.example/ns/a/b:latest".to_owned()],
        ),
        (
            "unqualified-search-registries=['docker.io']\nshort-name-mode='enforcing'",
            "a",
            vec!["docker.io/library/a:latest".to_owned()],
        ),
        (
            &format!("{two}short-name-mode='enforcing'\n{aliases}"),
            "fedora",
            vec!["registry.fedora.example/fedora:latest".to_owned()],
        ),
    ] {
        let found = read(conf).names(given).expect(given);
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), want, "{given} by {conf}");
    }
    let enforcing = read(&format!("{two}short-name-mode='enforcing'"));
    let refused = enforcing.names("a").expect_err("ambiguous");
    assert!(refused.to_string().contains("one.example, two.example/ns"), "{refused}");
    assert!(enforcing.names("A").is_err() && enforcing.names("").is_err());
}
