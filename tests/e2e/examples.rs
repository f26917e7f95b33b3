//! The EXAMPLES of the pages, run as they stand.
//!
//! The world of an example: a registry; the images httpd and busybox; a container `web` (Apache, running,
//! label job=test), one `job` and one `old` (both ended well); a volume `data`; a directory with `site`,
//! `file`, `images.txt` and `password`; at 127.0.0.1:5001 an empty registry, where the page is about one.
//! What an example makes itself is not there before, and what it takes away is there and not in use. A block
//! must end with 0 unless
//! [`STATUS`] says otherwise, and whatever it does must be cleared up as ever.

use std::time::Duration;

use tests::Env;
use tests::man::Page;

use crate::push::Writable;

/// Examples, by their beginnings, that end with another status than 0.
const STATUS: &[(&str, i32)] = &[
    ("timeout 5 ", 124),
    ("ctr-logs web 2>&1 >/dev/null | grep -i fatal", 1), // there is none
];

/// Examples, by their beginnings, that a person would end: run for a second.
const ENDLESS: &[&str] = &["ctr-logs -f", "ctr-ls -q | ctr-wait -"];

fn world(example: &str) -> Env {
    let env = Env::with_images(&["httpd", "busybox"]);
    env.write("site/index.html", "site\n");
    env.write("file", "file\n");
    env.write("images.txt", "busybox\nhttpd\n");
    env.write("password", "secret\n");
    if example.contains("config.json") {
        let logins = r#"{"auths":{"registry.example":{"auth":"dTpw"}}}"#;
        env.sh(&format!("mkdir -p ~/.docker; echo '{logins}' >~/.docker/config.json")).run().ok();
    }
    let publish = if example.contains("net-forward --rm web") { "-p 8080:80" } else { "" };
    let web = format!("ctr-run -d --name web -l job=test {publish} httpd");
    for (name, make) in [
        ("web", web.as_str()),
        ("job", "ctr-run --name job busybox true"),
        ("old", "ctr-run --name old busybox true"),
    ] {
        let its_own = [format!("--name {name}"), format!("--name={name}")];
        if !example.contains("img-rm ") && !its_own.iter().any(|words| example.contains(words.as_str())) {
            env.sh(make).run().ok();
        }
    }
    if !example.contains("vol-create data") {
        env.sh("vol-create data").run().ok();
    }
    env
}

fn run_the_examples_of(tool: &str) {
    let page = Page::find(&format!("{tool}.1")).unwrap_or_else(|| panic!("{tool} has no page"));
    let examples = page.examples();
    assert!(!examples.is_empty(), "{tool}(1) has no examples");
    for lines in examples {
        let example = lines.join("\n");
        let env = world(&example);
        let login = tool == "reg-login";
        let _registry = (login || tool == "img-push").then(|| Writable::start(&env, login));
        if example.contains(" -it ") {
            let mut terminal = env.sh(&example).on_a_terminal();
            std::thread::sleep(Duration::from_millis(500));
            terminal.type_in("exit\n");
            assert_eq!(terminal.wait(), 0, "{example}");
        } else if ENDLESS.iter().any(|start| example.starts_with(start)) {
            env.program("timeout").args(["1", "bash", "-c", &example]).run().status(124);
        } else {
            let status =
                STATUS.iter().find(|(start, _)| example.starts_with(start)).map_or(0, |(_, status)| *status);
            // What `head` wants no more of ends quietly, by SIGPIPE: 141 of a pipe, and no failure of a tool.
            let line = if example.contains("| head") {
                format!("{example} || [ $? = 141 ]")
            } else {
                example.clone()
            };
            env.sh(&line).within(Duration::from_secs(60)).run().status(status);
        }
    }
}

macro_rules! pages {
    ($($test:ident $tool:literal)+) => {
        $(#[test]
        fn $test() {
            needs!(Root);
            run_the_examples_of($tool);
        })+

        #[test]
        fn every_page_has_its_examples_run() {
            let here = [$($tool),+];
            for tool in tests::tools() {
                assert!(here.contains(&tool.as_str()) || tool == "ctr-init", "the examples of {tool} are not run");
            }
        }
    };
}

pages! {
    examples_of_img_pull "img-pull"
    examples_of_img_ls "img-ls"
    examples_of_img_rm "img-rm"
    examples_of_img_tag "img-tag"
    examples_of_img_gc "img-gc"
    examples_of_img_fsck "img-fsck"
    examples_of_img_tags "img-tags"
    examples_of_img_search "img-search"
    examples_of_img_save "img-save"
    examples_of_img_push "img-push"
    examples_of_img_lock "img-lock"
    examples_of_img_serve "img-serve"
    examples_of_reg_login "reg-login"
    examples_of_reg_logout "reg-logout"
    examples_of_img_load "img-load"
    examples_of_img_export "img-export"
    examples_of_img_unpack "img-unpack"
    examples_of_img_mount "img-mount"
    examples_of_img_import "img-import"
    examples_of_img_config "img-config"
    examples_of_img_diff "img-diff"
    examples_of_ctr_commit "ctr-commit"
    examples_of_img_digest "img-digest"
    examples_of_img_path "img-path"
    examples_of_img_history "img-history"
    examples_of_img_inspect "img-inspect"
    examples_of_ctr_run "ctr-run"
    examples_of_ctr_create "ctr-create"
    examples_of_ctr_start "ctr-start"
    examples_of_ctr_exec "ctr-exec"
    examples_of_ctr_ls "ctr-ls"
    examples_of_ctr_inspect "ctr-inspect"
    examples_of_ctr_logs "ctr-logs"
    examples_of_ctr_stop "ctr-stop"
    examples_of_ctr_kill "ctr-kill"
    examples_of_ctr_wait "ctr-wait"
    examples_of_ctr_rm "ctr-rm"
    examples_of_ctr_oci "ctr-oci"
    examples_of_net_forward "net-forward"
    examples_of_vol_create "vol-create"
    examples_of_vol_ls "vol-ls"
    examples_of_vol_rm "vol-rm"
    examples_of_vol_bind "vol-bind"
}
