//! net-forward - publish ports of containers, running or not.

use cli::{Exit, Operands};
use types::out::net_forward::Port;
use types::port::{self, HostPort};

/// Publish ports of a container
///
/// If the container runs they work at once; they are published at every later start too. Prints the
/// container as it was named, so that a pipeline goes on. Without PORT it lists the ports.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: cli::Format,
    /// End the publication of these ports of the host, in the form [IP:]HOST[/PROTO]
    #[arg(long, requires = "ports", conflicts_with_all = ["quiet", "json"])]
    rm: bool,
    /// The container; - reads it from stdin
    container: String,
    /// Ports, as ctr-run -p takes them: 8080:80, 127.0.0.1:8080:80, 53:53/udp, 8000-8010:80
    #[arg(value_name = "PORT")]
    ports: Vec<String>,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, format, rm, container, ports } = args;
    let store = store.open()?;
    if ports.is_empty() {
        let id = store.find_container(&cli::one(&container)?)?;
        let mut out = format.writer();
        engine::forwards(&store, &id)?.into_iter().try_for_each(|port| out.record(&Port::from(port)))?;
        return out.finish();
    }
    let containers = Operands::of(vec![container]);
    if rm {
        let ports: Vec<HostPort> = ports.iter().map(|port| port.parse()).collect::<Result<_, _>>()?;
        return containers.each("end ports of", |name| {
            engine::unforward(&store, &store.find_container(name)?, &ports)?;
            Ok(name.to_owned())
        });
    }
    let ports: Vec<_> = ports.iter().map(|port| port::parse(port)).collect::<Result<_, _>>()?;
    let ports = ports.concat();
    containers.each("publish ports of", |name| {
        engine::forward(&store, &store.find_container(name)?, &ports)?;
        Ok(name.to_owned())
    })
}
