//! Every property of a configuration (runtime spec 1.3.0, its JSON schema) is applied, refused or told.
//!
//! `fields.txt` has a line for each object, with the names of its properties; one that begins with a space goes on
//! with the line before. `!` is refused with all that is in it, `~` does nothing and is told, the others are
//! applied. `full.json` has them all, with values that the schema allows.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::*;

fn look(text: &str) -> (Result<()>, String) {
    let (spec, unread) = read(text.as_bytes()).unwrap();
    let told: Vec<_> = complaints(&spec, &unread).iter().map(ToString::to_string).collect();
    (refuse_other_systems(&spec, &unread), told.join("; "))
}

#[test]
fn what_does_nothing_is_told_by_its_path() {
    let text = r#"{"ociVersion":"1.0.0","x":1,"root":{"path":"r","y":{"z":2}},"linux":{"resources":{"CPU":{},
        "memory":{"kernelTCP":5}}},"process":{"cwd":"/","user":{"uid":0,"gid":0,"username":"me"}}}"#;
    let (taken, told) = look(text);
    assert!(taken.is_ok());
    assert!(told.contains("not known do nothing: x root.y linux.resources.CPU; "), "{told}");
    assert!(told.contains("username") && told.contains("kernel memory"), "{told}");
    assert_eq!(look(r#"{"ociVersion":"1.0.0","annotations":{"a":"b"}}"#).1, "");
}

#[test]
fn a_container_of_another_system_is_refused_by_name() {
    for (field, name) in [
        (r#""vm":{"kernel":{"path":"/k"}}"#, "vm"),
        (r#""windows":{"layerFolders":["/l"]}"#, "windows"),
        (r#""solaris":{}"#, "solaris"),
        (r#""zos":{}"#, "zos"),
        (r#""freebsd":{}"#, "freebsd"),
        (r#""process":{"cwd":"/","commandLine":"x","user":{"uid":0,"gid":0}}"#, "commandLine"),
    ] {
        let (taken, _) = look(&format!(r#"{{"ociVersion":"1.0.0",{field}}}"#));
        assert!(taken.unwrap_err().to_string().contains(name), "{field}");
    }
    assert!(read(br#"{"ociVersion":"1.0.0"} x"#).is_err());
}

const FULL: &str = include_str!("full.json");

/// Path and mark of every property.
fn table() -> Vec<(String, char)> {
    let mut all = Vec::new();
    let mut object = "";
    for line in include_str!("fields.txt").lines() {
        let names = if line.starts_with(' ') {
            line
        } else {
            let (name, names) = line.split_once(": ").unwrap();
            object = if name == "-" { "" } else { name };
            names
        };
        for name in names.split_whitespace() {
            let mark = name.chars().next().filter(|c| "!~".contains(*c)).unwrap_or(' ');
            let name = name.trim_start_matches(['!', '~']);
            let path = if object.is_empty() { name.to_owned() } else { format!("{object}.{name}") };
            all.push((path, mark));
        }
    }
    all
}

/// The paths of a document in the words of the table.
fn paths(value: &Value, at: &str, refused: &BTreeSet<String>, all: &mut BTreeSet<String>) {
    let maps = [
        "annotations",
        "linux.netDevices",
        "linux.resources.unified",
        "linux.resources.rdma",
        "linux.sysctl",
    ];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = match at {
                    "" => name.clone(),
                    _ if maps.contains(&at) => format!("{at}.*"),
                    _ => format!("{at}.{name}"),
                };
                if !maps.contains(&at) {
                    all.insert(path.clone());
                }
                if !refused.contains(&path) {
                    paths(value, &path, refused, all);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{at}[]"), refused, all)),
        _ => {}
    }
}

#[test]
fn the_full_configuration_has_every_property_and_all_are_read() {
    let table = table();
    let refused: BTreeSet<_> =
        table.iter().filter(|(_, mark)| *mark == '!').map(|(path, _)| path.clone()).collect();
    let mut found = BTreeSet::new();
    paths(&serde_json::from_str(FULL).unwrap(), "", &refused, &mut found);
    assert_eq!(found, table.iter().map(|(path, _)| path.clone()).collect());
    assert_eq!(read(FULL.as_bytes()).unwrap().1, ["freebsd"]);
}

#[test]
fn properties_that_do_nothing_are_told() {
    let (spec, unread) = read(FULL.as_bytes()).unwrap();
    let told: String = complaints(&spec, &unread).iter().map(ToString::to_string).collect();
    for (path, _) in table().iter().filter(|(_, mark)| *mark == '~') {
        let words = if path.contains("memory.kernel") { "kernel memory" } else { path };
        assert!(told.contains(words), "{path}: {told}");
    }
}

/// What is refused is refused by its name; what is applied is at least looked at.
#[test]
fn every_property_has_a_place_in_the_code() {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut code = String::new();
    for room in ["oci/src", "runtime/src"] {
        sources(&lib.join(room), &mut code);
    }
    for (path, mark) in table() {
        let name = path.rsplit('.').next().unwrap();
        match mark {
            '~' => {}
            '!' if path == "linux.intelRdt" => assert!(code.contains("\"Intel RDT\"")),
            '!' => assert!(code.contains(&format!("\"{name}\"")) || code.contains(&path), "{path}"),
            _ => assert!(code.contains(&read_by(&path, name)), "nothing reads {path}"),
        }
    }
}

/// How a property is read, of the types of oci-spec.
fn read_by(path: &str, name: &str) -> String {
    match path {
        "linux.timeOffsets.boottime" | "linux.timeOffsets.monotonic" => return format!("\"{name}\""),
        "process.execCPUAffinity.final" => return ".cpu_affinity_final()".into(),
        "ociVersion" => return ".version()".into(),
        _ if name == "type" => return ".typ()".into(),
        _ => {}
    }
    let mut snake = String::from(".");
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let after_small = at > 0 && letters[at - 1].is_lowercase();
        let begins_word = at > 0 && letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_small || begins_word) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake + "()"
}

/// All code below a directory, without tests.
fn sources(dir: &Path, code: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, code);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            code.push_str(text.split("#[cfg(test)]").next().unwrap());
        }
    }
}

/// The words of the specification for what has a choice of words.
#[test]
fn every_word_of_the_specification_can_be_read() {
    let cases = [
        ("/linux/personality/domain", "LINUX LINUX32"),
        ("/linux/seccomp/architectures/0", ARCHITECTURES),
        (
            "/linux/seccomp/defaultAction",
            "SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS SCMP_ACT_KILL_THREAD SCMP_ACT_TRAP SCMP_ACT_ERRNO SCMP_ACT_TRACE \
            SCMP_ACT_ALLOW SCMP_ACT_LOG SCMP_ACT_NOTIFY",
        ),
        (
            "/linux/seccomp/flags/0",
            "SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_LOG SECCOMP_FILTER_FLAG_SPEC_ALLOW \
            SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        ),
        (
            "/linux/seccomp/syscalls/0/args/0/op",
            "SCMP_CMP_NE SCMP_CMP_LT SCMP_CMP_LE SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_GT SCMP_CMP_MASKED_EQ",
        ),
        (
            "/linux/memoryPolicy/mode",
            "MPOL_DEFAULT MPOL_BIND MPOL_INTERLEAVE MPOL_WEIGHTED_INTERLEAVE MPOL_PREFERRED MPOL_PREFERRED_MANY MPOL_LOCAL",
        ),
        ("/linux/memoryPolicy/flags/0", "MPOL_F_NUMA_BALANCING MPOL_F_RELATIVE_NODES MPOL_F_STATIC_NODES"),
        ("/linux/namespaces/0/type", "mount pid network uts ipc user cgroup time"),
        ("/linux/devices/0/type", "c b u p"),
        ("/linux/resources/devices/0/type", "c b a"),
        (
            "/process/scheduler/policy",
            "SCHED_OTHER SCHED_FIFO SCHED_RR SCHED_BATCH SCHED_ISO SCHED_IDLE SCHED_DEADLINE",
        ),
        (
            "/process/scheduler/flags/0",
            "SCHED_FLAG_RESET_ON_FORK SCHED_FLAG_RECLAIM SCHED_FLAG_DL_OVERRUN SCHED_FLAG_KEEP_POLICY \
            SCHED_FLAG_KEEP_PARAMS SCHED_FLAG_UTIL_CLAMP_MIN SCHED_FLAG_UTIL_CLAMP_MAX",
        ),
        ("/process/ioPriority/class", "IOPRIO_CLASS_RT IOPRIO_CLASS_BE IOPRIO_CLASS_IDLE"),
    ];
    let full: Value = serde_json::from_str(FULL).unwrap();
    for (place, words) in cases {
        for word in words.split_whitespace() {
            let mut document = full.clone();
            *document.pointer_mut(place).unwrap() = Value::from(word);
            let read = read(document.to_string().as_bytes());
            assert!(read.is_ok(), "{place} {word}: {:?}", read.err());
        }
    }
}

const ARCHITECTURES: &str = "SCMP_ARCH_X86 SCMP_ARCH_X86_64 SCMP_ARCH_X32 SCMP_ARCH_ARM SCMP_ARCH_AARCH64 SCMP_ARCH_MIPS \
    SCMP_ARCH_MIPS64 SCMP_ARCH_MIPS64N32 SCMP_ARCH_MIPSEL SCMP_ARCH_MIPSEL64 SCMP_ARCH_MIPSEL64N32 SCMP_ARCH_PPC \
    SCMP_ARCH_PPC64 SCMP_ARCH_PPC64LE SCMP_ARCH_S390 SCMP_ARCH_S390X SCMP_ARCH_PARISC SCMP_ARCH_PARISC64 \
    SCMP_ARCH_RISCV64 SCMP_ARCH_LOONGARCH64 SCMP_ARCH_M68K SCMP_ARCH_SH SCMP_ARCH_SHEB";

/// What the schema requires, by the end of its path.
const REQUIRED: [&str; 30] = [
    "ociVersion",
    "hooks.prestart[].path",
    "hooks.createRuntime[].path",
    "hooks.createContainer[].path",
    "hooks.startContainer[].path",
    "hooks.poststart[].path",
    "hooks.poststop[].path",
    "mounts[].destination",
    "Mappings[].containerID",
    "Mappings[].hostID",
    "Mappings[].size",
    "root.path",
    "process.cwd",
    "consoleSize.height",
    "consoleSize.width",
    "ioPriority.class",
    "scheduler.policy",
    "rlimits[].type",
    "rlimits[].soft",
    "rlimits[].hard",
    "namespaces[].type",
    "devices[].type",
    "devices[].path",
    "devices[].allow",
    "seccomp.defaultAction",
    "pids.limit",
    "syscalls[].names",
    "syscalls[].action",
    // In words only (config-linux.md).
    "memoryPolicy.mode",
    "personality.domain",
];

#[test]
fn what_the_schema_does_not_require_may_be_missing() {
    let full: Value = serde_json::from_str(FULL).unwrap();
    let mut missed = Vec::new();
    for (path, _) in table() {
        let required = REQUIRED.iter().any(|end| path.ends_with(end)) || path.contains("[].args[].");
        let listed =
            ["hugepageLimits[].", "priorities[].", "Device[].m"].iter().any(|part| path.contains(part));
        if required || listed {
            continue;
        }
        let mut document = full.clone();
        let (object, name) = path.rsplit_once('.').unwrap_or(("", &path));
        let place: String = object
            .split('.')
            .filter(|part| !part.is_empty())
            .map(|part| match part {
                "*" => "/mlx5_1".to_owned(),
                part => format!("/{}", part.replace("[]", "/0")),
            })
            .collect();
        let place = place.replace("netDevices/mlx5_1", "netDevices/eth5");
        document.pointer_mut(&place).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        if let Err(e) = read(document.to_string().as_bytes()) {
            missed.push(format!("{path}: {e}"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
