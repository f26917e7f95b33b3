//! Every seed of the fuzz targets, and all that they have found, once each.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "src/config.rs"]
mod config;
#[path = "src/layer.rs"]
mod layers;
#[path = "src/log.rs"]
mod log;
#[cfg(target_arch = "x86_64")]
#[path = "src/seccomp/mod.rs"]
mod seccomp;
#[path = "src/state.rs"]
mod state;
#[path = "src/users.rs"]
mod users;
#[path = "src/wire.rs"]
mod wire;
#[path = "src/words.rs"]
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Gives a function every seed of a target, and says which one it could not stand.
fn each(target: &str, check: impl Fn(&[u8])) {
    let dir = tests::top().join("tests/fuzz/seeds").join(target);
    let mut seeds: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty());
    for seed in seeds {
        let bytes = std::fs::read(&seed).unwrap();
        let stood = catch_unwind(AssertUnwindSafe(|| check(&bytes)));
        assert!(stood.is_ok(), "{seed:?}");
    }
}

#[test]
fn a_configuration_becomes_a_plan_or_an_error() {
    if !tests::met(&[tests::Need::Root]) {
        return;
    }
    let scratch = config::Scratch::new();
    each("config", |bytes| config::check(&scratch, bytes));
}

#[test]
fn users_are_found_as_the_rules_say() {
    let scratch = users::Scratch::new();
    each("users", |bytes| users::check(&scratch, bytes));
}

#[test]
fn a_record_is_whole_or_damaged_and_hides_no_other() {
    let example = std::fs::read(tests::top().join("tests/fuzz/seeds/state/whole.json")).unwrap();
    let scratch = state::Scratch::new(&example);
    each("state", |bytes| state::check(&scratch, bytes));
}

#[test]
fn a_log_is_read_as_it_was_written() {
    let scratch = log::Scratch::new();
    each("log", |bytes| log::check(&scratch, bytes));
}

#[test]
fn a_layer_stays_in_its_directory_and_has_its_digest() {
    if !tests::met(&[tests::Need::Root]) {
        return;
    }
    let scratch = layers::Scratch::new();
    each("layer", |bytes| layers::check(&scratch, bytes));
}

#[test]
fn a_challenge_is_understood_the_same_when_it_is_written_again() {
    each("challenge", wire::challenge);
}

#[test]
fn a_configuration_of_registries_leads_somewhere_or_is_refused() {
    each("registries", wire::registries);
}

#[test]
fn a_reference_is_what_the_grammar_says() {
    each("reference", wire::reference);
}

#[test]
fn logins_come_and_go_in_a_file_that_was_understood() {
    each("logins", wire::logins);
}

#[test]
fn what_is_understood_is_written_so_that_it_is_understood_the_same() {
    each("words", words::check);
}

// The meaning of a profile is worked out for the numbers of one architecture.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_seccomp_program_does_what_its_profile_says() {
    each("seccomp", |bytes| {
        if let Ok(profile) = serde_json::from_slice(bytes) {
            drop(seccomp::check(&profile, &seccomp::meaning::NativeOnly));
        }
    });
}
