//! What a program in a container can reach, found by trying. `tests/build.rs` builds it, static.
//!
//! Prints one fact a line, in a form that is the same on every machine that is equally well closed.
//! With words as arguments, only those sections. Programs of their own, for tests, are `look` and
//! `keyring`.

mod calls;
mod files;
mod look;
mod process;
mod raw;
mod verdict;

fn main() {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(first) if first == "look" => return look::run(args),
        Some(first) if first == "keyring" => return process::keyring(),
        _ => {}
    }
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let sections: [(&str, fn()); 7] = [
        ("identity", process::identity),
        ("descriptors", process::descriptors),
        ("devices", files::devices),
        ("files", files::writable),
        ("proc", files::proc_names),
        ("calls", verdict::calls),
        ("arguments", verdict::arguments),
    ];
    for (name, print) in sections {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            print();
        }
    }
}
