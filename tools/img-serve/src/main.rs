//! img-serve - offer the images of the store as a registry.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::Context;
use serve::{Event, Options, Stop, Tls};
use types::{Error, Kind};

/// Offer the images of the store as a registry
///
/// Prints the address and serves until it is interrupted.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Listen at this address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5000")]
    addr: SocketAddr,
    /// Encrypt: a certificate, and those between it and its authority after it, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Let clients push and delete
    #[arg(long)]
    writable: bool,
    /// Serve so many connections at once; others wait
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Print a line for each request to stderr
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let stop = Stop::default();
    let asked = stop.clone();
    let _interrupt = cli::Interrupt::watch_and(move || asked.now())?; // before any thread
    let store = args.store.open()?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Some(Tls::from_pem(&read(cert)?, &read(key)?)?),
        _ => None,
    };
    let listener = TcpListener::bind(args.addr).with_context(|| format!("listen at {}", args.addr))?;
    let addr = listener.local_addr().context("listen")?;
    if tls.is_none() && !addr.ip().is_loopback() {
        let rights = if args.writable { "read and change" } else { "read" };
        let who = format!("{addr} is not encrypted: all who reach it can {rights} the images");
        cli::report(&Error::new(Kind::Denied, who).hint("--tls-cert and --tls-key encrypt it").into());
    }
    writeln!(std::io::stdout(), "{addr}").context("write standard output")?;
    cli::ignore_sigpipe();
    let platform = cli::default_platform()?;
    let options =
        Options { tls, writable: args.writable, platform, connections: usize::from(args.connections) };
    serve::serve(listener, store, options, &stop, Box::new(move |event| tell(event, args.verbose)))?;
    Ok(cli::Exit::Ok)
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {path:?}"))
}

/// What an operator wants to know goes to stderr. Paths are foreign text: quoted, with control characters named.
fn tell(event: &Event<'_>, verbose: bool) {
    let line = match event {
        Event::Answered { peer, method, path, status } if verbose => {
            format!("{peer} {status} {method} {}\n", path.escape_debug())
        }
        Event::Trouble(e) => format!("img-serve: {}\n", types::error::chain(e).escape_debug()),
        Event::Answered { .. } => return,
    };
    // One write a line, so that threads do not mix; nobody is left to tell if stderr is closed.
    drop(std::io::stderr().write_all(line.as_bytes()));
}
