//! Measures engines side by side: the same verbs in turn, in rounds, so that whatever else the machine
//! does hits all of them alike. Prints medians and how often ours goes into theirs.
//!
//! Started by `bench.sh`, which prepares an executable a engine with the verbs run, run-none, start,
//! exec, ls, pull, rmi, clear. A third argument of `bench.sh` ("starts", "lists", "pulls") takes only these.

#![expect(clippy::unwrap_used, reason = "a bench ends at the first surprise")]
#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How many containers `ls` lists, and the memory is divided by.
const MANY: usize = 200;

/// Pause before each measurement of a start.
const SETTLE: Duration = Duration::from_millis(300);

struct Engine {
    name: String,
    script: PathBuf,
}

impl Engine {
    fn run(&self, args: &[&str]) -> bool {
        let mut command = Command::new(&self.script);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|s| s.success())
    }

    /// How long a verb takes, if it succeeds.
    fn time(&self, args: &[&str]) -> Option<Duration> {
        let start = Instant::now();
        self.run(args).then(|| start.elapsed())
    }
}

/// Times of one verb, by engine.
type Times = BTreeMap<String, Vec<f64>>;

fn main() {
    let mut args = std::env::args().skip(1);
    let rounds: usize = args.next().unwrap().parse().unwrap();
    let only = args.next().unwrap();
    let work = PathBuf::from(args.next().unwrap());
    let engines: Vec<_> = args.map(|name| Engine { script: work.join(&name), name }).collect();

    println!(
        "\n{rounds} rounds, in turn; milliseconds unless said otherwise; (x) is how many times as long as Longshore\n"
    );
    head(&engines);
    let shell = shell(rounds);
    let wanted = |group: &str| only.is_empty() || only == group;
    if wanted("starts") {
        starts(&engines, rounds, shell);
    }
    if wanted("lists") {
        many(&engines, rounds, shell);
    }
    if wanted("pulls") {
        pulls(&engines, rounds.div_ceil(3), shell);
    }
    println!("\nThe shell that chooses the verb takes {shell:.2} ms, which are taken off.");
}

/// What starting the scripts costs without doing anything.
fn shell(rounds: usize) -> f64 {
    let mut times: Vec<f64> = (0..rounds.max(5))
        .filter_map(|_| {
            let start = Instant::now();
            Command::new("/bin/dash").args(["-c", "exec true"]).status().ok()?;
            Some(milliseconds(start.elapsed()))
        })
        .collect();
    median(&mut times).unwrap_or_default() / 2.0
}

/// Runs and execs.
fn starts(engines: &[Engine], rounds: usize, shell: f64) {
    let measure = |label: &str, verb: &[&str]| {
        let mut times = Times::new();
        for round in 0..rounds {
            for engine in in_turn(engines, round) {
                // What the one before still takes down (a shim, a veth pair, a network namespace) is
                // not to be measured with the next.
                std::thread::sleep(SETTLE);
                note(&mut times, engine, engine.time(verb), shell);
            }
        }
        row(label, engines, &times, 1);
    };
    measure("run --rm busybox true", &["run"]);
    measure("the same, --network none", &["run-none"]);
    for engine in engines {
        engine.run(&["start", "one"]);
    }
    measure("exec busybox true", &["exec", "one"]);
    for engine in engines {
        engine.run(&["clear"]);
    }
}

/// Listing many running containers, and what each of them costs in memory.
fn many(engines: &[Engine], rounds: usize, shell: f64) {
    let mut times = Times::new();
    let mut memory = Times::new();
    for engine in engines {
        let before = pss();
        let started = (0..MANY).filter(|n| engine.run(&["start", &format!("c{n}")])).count();
        std::thread::sleep(Duration::from_secs(1));
        if started > 0 {
            let each = (pss().saturating_sub(before)) as f64 / started as f64;
            memory.entry(engine.name.clone()).or_default().push(each);
        }
        for _ in 0..rounds {
            note(&mut times, engine, engine.time(&["ls"]), shell);
        }
        engine.run(&["clear"]);
    }
    row(&format!("ls of {MANY} running containers"), engines, &times, 1);
    row("memory a container, KiB (PSS)", engines, &memory, 0);
}

/// Pulls from the local registry, and the way back.
fn pulls(engines: &[Engine], rounds: usize, shell: f64) {
    const STEPS: [(&str, &[&str]); 6] = [
        ("pull of 9 layers, 60,000 files", &["pull", "library/bench9"]),
        ("the same again, up to date", &["pull", "library/bench9"]),
        ("a pull of one layer more", &["pull", "library/bench10"]),
        ("rmi of the one layer more", &["rmi", "library/bench10"]),
        ("rmi of 9 layers, 60,000 files", &["rmi", "library/bench9"]),
        ("pull of 1 layer, 1 GB", &["pull", "library/bench-large"]),
    ];
    let mut times = STEPS.map(|_| Times::new());
    for round in 0..rounds {
        for engine in in_turn(engines, round) {
            for ((_, verb), times) in STEPS.iter().zip(&mut times) {
                settle();
                note(times, engine, engine.time(verb), shell);
            }
            engine.run(&["rmi", "library/bench-large"]);
        }
    }
    for ((label, _), times) in STEPS.iter().zip(&times) {
        row(label, engines, times, 0);
    }
}

/// What has not reached the disk yet is not the next one's to write: only Longshore syncs what it
/// pulled before it says so.
fn settle() {
    std::thread::sleep(SETTLE);
    rustix::fs::sync();
}

/// Everybody goes first equally often.
fn in_turn(engines: &[Engine], round: usize) -> impl Iterator<Item = &Engine> {
    engines.iter().cycle().skip(round % engines.len().max(1)).take(engines.len())
}

fn note(times: &mut Times, engine: &Engine, time: Option<Duration>, shell: f64) {
    if let Some(time) = time {
        times.entry(engine.name.clone()).or_default().push((milliseconds(time) - shell).max(0.0));
    }
}

/// The memory of all processes here but those in containers, in KiB. What several share is divided
/// among them.
fn pss() -> u64 {
    let mut sum = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        if fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "sleep") {
            continue;
        }
        let text = fs::read_to_string(path.join("smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("Pss:"));
        sum += line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0);
    }
    sum
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn head(engines: &[Engine]) {
    let names: String = engines.iter().map(|e| format!("{:>20}", e.name)).collect();
    println!("{:<32}{names}", "");
}

fn row(label: &str, engines: &[Engine], times: &Times, digits: usize) {
    let value = |name: &str| times.get(name).and_then(|all| median(&mut all.clone()));
    let ours = value("longshore");
    let cells: String = engines
        .iter()
        .map(|engine| match (value(&engine.name), ours) {
            (None, _) => format!("{:>20}", "failed"),
            (Some(theirs), Some(ours)) if engine.name != "longshore" && ours > 0.0 => {
                format!("{:>20}", format!("{theirs:.digits$} ({:.1}x)", theirs / ours))
            }
            (Some(value), _) => format!("{:>20}", format!("{value:.digits$}")),
        })
        .collect();
    println!("{label:<32}{cells}");
}
