//! What a program in a container can reach, found by trying. `tests/build.rs` builds it, static.
//!
//! Prints one fact a line, in a form that is the same on every machine that is equally well closed.
//! With words as arguments, only those sections. Programs of their own, for tests, are `look`.

mod calls;
mod files;
mod look;
mod process;
mod raw;
mod verdict;

fn main() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == "look") {
        return look::run(args);
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
