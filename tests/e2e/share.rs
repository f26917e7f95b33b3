//! Chapter 7: share.

use std::fs;

use tests::Env;

const CURL: &str = "curl -fsS --max-time 5 --retry 20 --retry-delay 0 --retry-all-errors --retry-connrefused";

#[test]
fn edits_of_a_bound_directory_show_at_once_and_outlive_the_container() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.write("site/index.html", "first\n");
    env.sh("ctr-run -d --name web -p 8080:80 -v ./site:/usr/local/apache2/htdocs httpd").run().ok();
    env.sh(&format!("{CURL} http://127.0.0.1:8080")).run().ok().stdout("first\n");
    env.write("site/index.html", "second\n");
    env.sh(&format!("{CURL} http://127.0.0.1:8080")).run().ok().stdout("second\n");
    env.sh("ctr-exec web sh -c 'echo inside >/usr/local/apache2/htdocs/new'").run().ok();
    env.sh("ctr-rm -f web").run().ok();
    assert_eq!(fs::read_to_string(env.dir().join("site/new")).unwrap(), "inside\n");
}

#[test]
fn a_read_only_bind_is_read_only_inside_and_not_outside() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.write("site/file", "x\n");
    env.sh("ctr-run --rm -v ./site:/site:ro busybox touch /site/new").run().status(1);
    env.sh("ctr-run --rm -v ./site:/site:ro busybox cat /site/file").run().ok().stdout("x\n");
    env.sh("touch site/other").run().ok();
}

#[test]
fn mount_takes_the_long_form() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.write("site/file", "x\n");
    env.sh("ctr-run --rm --mount type=bind,source=./site,target=/s,readonly busybox sh -c 'cat /s/file; touch /s/new'").run().status(1).stdout("x\n");
    env.sh("ctr-run --rm --mount type=volume,src=data,dst=/d busybox sh -c 'echo kept >/d/file'").run().ok();
    env.sh("ctr-run --rm --mount src=data,dst=/d busybox cat /d/file").run().ok().stdout("kept\n");
    env.sh("ctr-run --rm --mount type=tmpfs,dst=/t,tmpfs-size=1m busybox df -k /t")
        .run()
        .ok()
        .stdout_has("1024");
}

#[test]
fn named_volumes_are_made_listed_shared_and_removed() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("vol-create data").run().ok().stdout("data\n");
    env.sh("ctr-run --rm -v data:/data busybox sh -c 'echo kept >/data/file'").run().ok();
    env.sh("ctr-run --rm -v data:/elsewhere busybox cat /elsewhere/file").run().ok().stdout("kept\n");
    env.sh("vol-ls -q").run().ok().stdout("data\n");
    env.sh("ctr-create --name user -v data:/data busybox true").run().ok();
    env.sh("vol-rm data").run().status(1).one_error(&["data", "user"]);
    env.sh("ctr-rm user && vol-rm data").run().ok().stdout("user\ndata\n");
    env.sh("vol-ls -q").run().ok().stdout("");
}

#[test]
fn a_new_volume_begins_with_what_the_image_has_there() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.sh("ctr-run --rm -v pages:/usr/local/apache2/htdocs httpd cat htdocs/index.html")
        .run()
        .ok()
        .stdout_has("It works!");
    env.sh("ctr-run --rm -v pages:/p httpd sh -c 'echo changed >/p/index.html'").run().ok();
    env.sh("ctr-run --rm -v pages:/usr/local/apache2/htdocs httpd cat htdocs/index.html")
        .run()
        .ok()
        .stdout("changed\n");
}

#[test]
fn vol_bind_mounts_into_a_running_container_and_out_again() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.write("site/file", "live\n");
    env.sh("ctr-run -d --name web httpd").run().ok();
    env.sh("ctr-exec web cat /mnt/file").run().status(1);
    env.sh("vol-bind web ./site:/mnt").run().ok();
    env.sh("ctr-exec web cat /mnt/file").run().ok().stdout("live\n");
    env.write("site/file", "changed\n");
    env.sh("ctr-exec web cat /mnt/file").run().ok().stdout("changed\n");
    env.sh("vol-bind --rm web /mnt").run().ok();
    env.sh("ctr-exec web ls /mnt").run().ok().stdout("");
}

#[test]
fn vol_bind_before_the_start_is_a_bind_from_the_start() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.write("site/index.html", "bound\n");
    env.sh("ctr-create --name web -p 8080:80 httpd && vol-bind web ./site:/usr/local/apache2/htdocs && ctr-start web").run().ok();
    env.sh(&format!("{CURL} http://127.0.0.1:8080")).run().ok().stdout("bound\n");
}

#[test]
fn a_link_in_the_container_does_not_lead_a_mount_out_of_it() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.write("site/file", "x\n");
    env.sh("ctr-run -d --name c busybox sleep 60").run().ok();
    let target = env.dir().join("victim");
    fs::create_dir(&target).unwrap();
    env.tool("ctr-exec").args(["c", "ln", "-s"]).arg(&target).arg("/trap").run().ok();
    // Wherever it goes, it stays inside.
    drop(env.sh("vol-bind c ./site:/trap").run());
    assert!(fs::read_dir(&target).unwrap().next().is_none(), "it was mounted on the host");
}

#[test]
fn a_container_writes_to_a_layer_of_its_own() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --rm busybox sh -c 'rm /bin/true; echo x >/etc/passwd'").run().ok();
    env.sh("ctr-run --rm busybox sh -c 'true && grep -c root:x /etc/passwd'").run().ok().stdout_has("1");
}
