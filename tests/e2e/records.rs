//! Records: what tools print with `--json` is what their schemas and pages say.

use tests::Env;
use tests::schema::Schema;

/// Every tool that prints records, with a line that makes it print some.
const LINES: &[(&str, &str)] = &[
    ("img-ls", "img-ls --json"),
    ("img-history", "img-history --json settings"),
    ("img-diff", "img-diff --json busybox settings; img-diff --json busybox httpd"),
    ("img-inspect", "img-inspect httpd settings"),
    ("img-inspect", "img-inspect --remote httpd busybox:multi"),
    // These have nothing to say of a store that is whole: the line makes it say something.
    (
        "img-gc",
        "h=$(head -c 9 /dev/urandom | tee g | sha256sum | cut -d' ' -f1); cp g $LONGSHORE_ROOT/blobs/sha256/$h; img-gc --json",
    ),
    (
        "img-fsck",
        "h=$(printf %064d 0); echo x >$LONGSHORE_ROOT/blobs/sha256/$h; img-fsck --json || img-fsck --fix --json",
    ),
    ("img-lock", "img-lock busybox httpd"),
    ("img-search", "img-search --json 127.0.0.1:5000/busybox"),
    ("img-tags", "img-tags --json busybox"),
    ("img-tags", "img-tags --long --match '[dl]*' --json busybox"),
    ("ctr-ls", "ctr-ls -a --json"),
    ("ctr-inspect", "ctr-inspect $(ctr-ls -aq)"),
    ("vol-ls", "vol-ls --json"),
    ("net-forward", "net-forward --json web"),
    ("vol-bind", "vol-bind --json web"),
];

#[test]
fn every_record_matches_its_schema() {
    needs!(Root);
    let env = Env::with_images(&["httpd", "busybox", "settings"]);
    env.write("site/x", "");
    env.sh(
        "ctr-run -d --name web -l a=b -p 8080:80 -p 53:53/udp -v ./site:/site:ro -v data:/data --tmpfs /t -m 64m httpd; \
         ctr-run --name ended busybox false; ctr-create --name made --network none settings; \
         ctr-run --name broken busybox nope",
    )
    .run()
    .status(127);
    for (tool, line) in LINES {
        let schema = Schema::find(tool).unwrap_or_else(|| panic!("tests/schema/{tool}.json does not exist"));
        let records = env.sh(line).run().ok().json_lines();
        assert!(!records.is_empty(), "{tool} has printed nothing");
        for record in records {
            let errors = schema.errors(&record);
            assert!(errors.is_empty(), "{tool}: {}\n{record}", errors.join("; "));
        }
    }
}

#[test]
fn every_tool_with_json_is_in_the_list() {
    for tool in tests::tools() {
        let knows =
            tests::man::Page::find(&format!("{tool}.1")).is_some_and(|p| p.options().contains("--json"));
        assert!(
            !knows || LINES.iter().any(|(name, _)| *name == tool),
            "{tool} prints records that nobody checks"
        );
    }
}
