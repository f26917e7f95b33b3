//! Volumes and live mounts beyond the course: what stays, what goes, what is refused.

use std::fs;

use tests::Env;

#[test]
fn a_live_mount_is_read_only_if_asked_and_there_at_every_later_start() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.write("site/file", "x\n");
    env.sh("ctr-run -d --name c busybox sleep 60 && vol-bind c ./site:/mnt:ro data:/data").run().ok();
    env.sh("ctr-exec c touch /mnt/new").run().status(1).stderr_has("Read-only");
    env.sh("ctr-exec c sh -c 'echo kept >/data/file'").run().ok();
    env.sh("ctr-stop -t 0 c && ctr-start c").run().ok();
    env.sh("ctr-exec c cat /mnt/file /data/file").run().ok().stdout("x\nkept\n");
    env.sh("ctr-exec c touch /mnt/new").run().status(1).stderr_has("Read-only");
    env.sh("vol-bind --rm c /mnt /data && ctr-stop -t 0 c && ctr-start c").run().ok();
    env.sh("ctr-exec c ls /mnt /data").run().ok().stdout_lacks("file");
}

#[test]
fn what_is_mounted_is_listed() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.write("site/file", "");
    env.sh("ctr-create --name c -v ./site:/site:ro -v data:/data --tmpfs /t busybox true").run().ok();
    env.sh("vol-bind -q c").run().ok().stdout("/site\n/data\n/t\n");
    env.sh("vol-bind c --json | jq -r '[.Type, .Destination, .RW] | @csv'")
        .run()
        .ok()
        .stdout("\"bind\",\"/site\",false\n\"volume\",\"/data\",true\n\"tmpfs\",\"/t\",true\n");
    let listed = env.sh("vol-bind c --json | jq -c .").run().ok().text();
    let inspected = env.sh("ctr-inspect c | jq -c '.Mounts[]'").run().ok().text();
    assert_eq!(listed, inspected);
}

#[test]
fn a_live_mount_that_cannot_be_made_changes_nothing() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.write("site/file", "");
    env.sh("ctr-run -d --name c --read-only -v data:/data busybox sleep 60").run().ok();
    for (bind, why) in [
        ("./site:/proc/x", "the engine's own"),
        ("./site:/sys", "the engine's own"),
        ("./site:/data", "mounted already"),
        ("./site:/bin/busybox", "it is a file"),
        ("./site/file:/bin", "it is a directory"),
        ("./site:/new", "read-only"),
        ("./missing:/new", "missing"),
        ("./site:/etc/hosts", "it is a file"),
        ("./site/file:/etc/hosts", "mounted there already"),
    ] {
        env.sh(&format!("vol-bind c {bind}")).run().status(1).stdout("").stderr_has(why);
        env.sh("vol-bind -q c").run().ok().stdout("/data\n");
    }
    env.sh("vol-bind c ./site:/x:rw,ro").run().status(2);
    env.sh("vol-bind --rm c /etc/hosts").run().status(1).one_error(&["/etc/hosts"]);
    env.sh("ctr-exec c grep -c localhost /etc/hosts").run().ok();
}

#[test]
fn a_new_volume_of_a_mount_that_fails_does_not_stay() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name c busybox sleep 60; vol-bind c new:/proc").run().status(1);
    env.sh("ctr-run --rm -v other:/x -v ./missing:/y busybox true").run().status(125);
    env.sh("vol-ls -q").run().ok().stdout("");
}

#[test]
fn anonymous_volumes_go_with_their_container_if_asked() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --rm -v /scratch busybox touch /scratch/x").run().ok();
    env.sh("vol-ls -q").run().ok().stdout("");
    env.sh("ctr-create --name one -v /scratch busybox true; ctr-rm one; vol-ls -q | wc -l")
        .run()
        .ok()
        .stdout_has("1");
    env.sh("ctr-create --name two -v /scratch busybox true; ctr-rm -v two; vol-ls -q -f dangling=true | vol-rm - | wc -l")
        .run()
        .ok()
        .stdout_has("1");
    env.sh("vol-ls -q").run().ok().stdout("");
}

#[test]
fn a_volume_is_filled_with_owners_modes_and_links() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    let look = "cd /usr/local/apache2 && stat -c '%N %u %g %a %F %Y' . * */*";
    let direct = env.sh(&format!("ctr-run --rm --network none httpd sh -c \"{look}\"")).run().ok().text();
    let copied = env
        .sh(&format!("ctr-run --rm --network none -v var:/usr/local/apache2 httpd sh -c \"{look}\""))
        .run()
        .ok()
        .text();
    assert!(direct.lines().count() > 10, "{direct}");
    assert_eq!(direct, copied);
}

#[test]
fn a_volume_that_was_emptied_stays_so() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.sh("ctr-run -d --name web --network none -v pages:/usr/local/apache2/htdocs httpd").run().ok();
    env.sh("ctr-exec web rm htdocs/index.html && ctr-stop -t 0 web && ctr-start web").run().ok();
    env.sh("ctr-exec web ls htdocs").run().ok().stdout("");
    env.sh("ctr-run --rm --network none -v none:/usr/local/apache2/htdocs:nocopy httpd ls htdocs")
        .run()
        .ok()
        .stdout("");
}

#[test]
fn a_bind_of_a_link_shows_what_it_leads_to() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.write("real/file", "x\n");
    std::os::unix::fs::symlink("real", env.dir().join("link")).unwrap();
    env.sh("ctr-run --rm --network none -v ./link:/mnt busybox cat /mnt/file").run().ok().stdout("x\n");
    env.sh("ctr-run --rm --network none -v ./link/../real:/mnt busybox cat /mnt/file")
        .run()
        .ok()
        .stdout("x\n");
}

#[test]
fn many_containers_bind_and_unbind_at_once() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.write("site/file", "x\n");
    env.sh("for i in 1 2 3 4 5 6; do ctr-run -d --network none -l job=x busybox sleep 60; done").run().ok();
    env.sh("ctr-ls -q -f label=job=x | xargs -P6 -I{} sh -c 'vol-bind {} ./site:/a data:/b && vol-bind --rm {} /a'")
        .run()
        .ok();
    env.sh("ctr-ls -q | vol-bind - ./site:/c | wc -l").run().ok().stdout_has("6");
    env.sh(
        "for c in $(ctr-ls -q); do ctr-exec $c cat /c/file; vol-bind -q $c; done | sort | uniq -c | xargs",
    )
    .run()
    .ok()
    .stdout("6 /b 6 /c 6 x\n");
    assert_eq!(fs::read_dir(env.dir().join("site")).unwrap().count(), 1);
}
