//! Lock files, and all tags of a repository.

use tests::Env;

#[test]
fn a_lock_file_leads_to_what_names_led_to() {
    needs!(Root);
    let env = Env::online();
    env.sh("img-lock tiny:2 busybox:multi tiny:1 tiny:1 >lock; jq -r .Name lock")
        .run()
        .ok()
        .stdout("docker.io/library/busybox:multi\ndocker.io/library/tiny:1\ndocker.io/library/tiny:2\n");
    let locked = env.sh("grep multi lock | jq -r .Digest").run().ok().line();
    env.sh("img-digest --remote busybox:multi").run().ok().stdout(format!("{locked}\n"));
    // The names mean something else now: what is locked counts.
    env.sh("sed -i 's/tiny:1/tiny:9/; s/tiny:2/tiny:1/; s/tiny:9/tiny:2/' lock").run().ok();
    env.sh("img-pull --lock lock | wc -l").run().ok().stdout("3\n");
    for (here, there) in [("tiny:1", "tiny:2"), ("tiny:2", "tiny:1"), ("busybox:multi", "busybox:multi")] {
        let remote = env.sh(&format!("img-digest --remote {there}")).run().ok().text();
        env.sh(&format!("img-digest {here}")).run().ok().stdout(remote);
    }
    env.sh("img-lock --local tiny:1 tiny:2 busybox:multi | cmp - <(LC_ALL=C sort lock)").run().ok();
    env.sh("img-pull --lock lock tiny:1 httpd")
        .run()
        .status(1)
        .stderr_has("\"httpd\": it is not in the lock file");
    env.sh("img-ls -q httpd").run().ok().stdout("");
    env.sh("echo '{}' >lock; img-pull --lock lock").run().status(2).one_error(&["lock", "line 1"]);
    env.sh("img-lock busybox nothing").run().status(1).stdout("").one_error(&["nothing"]);
    env.sh("img-pull").run().status(2);
}

#[test]
fn all_tags_of_a_repository_are_pulled() {
    needs!(Root);
    let env = Env::online();
    let tags = env.sh("img-tags -q tiny | sort").run().ok().text();
    env.sh("img-pull -a tiny | wc -l").run().ok().stdout(format!("{}\n", tags.lines().count()));
    env.sh("img-ls --json tiny | jq -r .Tag | sort").run().ok().stdout(tags);
    env.sh("img-pull -a tiny:1").run().status(1).one_error(&["has a tag"]);
    env.sh("img-pull -a nothing tiny").run().status(1).stdout_has("tiny@").stderr_has("nothing");
}
