//! ctr-oci - run bundles for other engines.

mod args;
mod commands;
mod exec;
mod log;
mod make;
mod show;
mod update;

use std::process::ExitCode;

use args::{Args, Command};

fn main() -> ExitCode {
    cli::main_own(1, run)
}

fn run(args: Args) -> ExitCode {
    let log = match args.global.log() {
        Ok(log) => log,
        Err(e) => return log::to_stderr(&e, 1),
    };
    let status = if matches!(args.command, Command::Exec(_)) { 255 } else { 1 };
    match args.global.root().and_then(|root| dispatch(&root, &args, &log)) {
        Ok(code) => code,
        Err(e) => log.fail(&e, status),
    }
}

fn dispatch(root: &oci::Root, args: &Args, log: &log::Log) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Create(create) => create.run(root, &args.global, log),
        Command::Start(id) => commands::start(root, &id.id, log),
        Command::Run(run) => run.run(root, &args.global, log),
        Command::State(id) => show::state(root, &id.id),
        Command::Kill(kill) => kill.run(root),
        Command::Delete(delete) => delete.run(root, log),
        Command::Exec(exec) => exec.run(root, log),
        Command::Ps(ps) => ps.run(root),
        Command::List(list) => list.run(root, log),
        Command::Pause(id) => commands::pause(root, &id.id),
        Command::Resume(id) => commands::resume(root, &id.id),
        Command::Update(update) => update.run(root),
        Command::Events(events) => events.run(root),
        Command::Features => show::features(),
        Command::Spec(spec) => spec.run(args.global.is_rootless()),
    }
}
