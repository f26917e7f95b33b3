//! A container as `ctr-inspect` and `ctr-ls` show it.

use oci_spec::runtime::Spec;
use store::{State, Status, Store};
use types::container::{Brief, Record};
use types::out::ctr_inspect::{
    self as out, Config, ConfigDetails, Container, Details, HostConfig, NetworkSettings,
};
use types::out::ctr_ls::Row;
use types::port::Forward;
use types::restart::Restart;
use types::time::Time;
use types::{Context, Result};

use crate::spec;

/// Everything about a container.
///
/// # Errors
/// `NotFound` if there is no such container; `Corrupt` if a record of it is damaged.
pub fn inspect(store: &Store, id: &str) -> Result<Container> {
    let (record, state) = (store.record(id)?, store.state(id)?);
    let spec = spec::load(store, id)?;
    let log = store.absolute(&store.log(id));
    let restarts = state.run.as_ref().map_or(0, |run| run.restarts);
    let ports = match state.status {
        Status::Running => net::published(store, id)?,
        _ => record.ports.clone(),
    };
    let mut container = summary(store, &record, state, &ports)?;
    container.config.details = Some(config(&record, &spec));
    container.details = Some(Details {
        host_config: host_config(&record, &spec),
        restart_count: restarts,
        driver: "overlay",
        platform: "linux",
        image_manifest: record.manifest,
        bundle_path: log.parent().unwrap_or(&log).to_owned(),
        log_path: log,
        hosts_path: store.absolute(&store.etc(id, "hosts")),
        hostname_path: store.absolute(&store.etc(id, "hostname")),
        resolv_conf_path: store.absolute(&store.etc(id, "resolv.conf")),
    });
    Ok(container)
}

/// What a table shows of a container.
pub(crate) fn row(id: &str, brief: Brief, state: State, ports: Vec<Forward>) -> Result<Row> {
    let created = made(&brief.created)?;
    Ok(Row { id: id.to_owned(), brief, created, state: state_of(state)?, ports })
}

/// What a list shows of a container in JSON. The ports are those that work if it runs, else those
/// of the next start.
pub(crate) fn summary(store: &Store, record: &Record, state: State, ports: &[Forward]) -> Result<Container> {
    let image = types::out::ctr_ls::image(&record.image);
    let (path, args) = record
        .args
        .split_first()
        .map_or((String::new(), Vec::new()), |(path, args)| (path.clone(), args.to_vec()));
    Ok(Container {
        id: record.id.clone(),
        name: record.name.clone(),
        created: made(&record.created)?,
        image: image.to_owned(),
        image_id: record.image_id,
        path,
        args,
        config: Config { image: image.to_owned(), labels: record.labels.clone(), details: None },
        mounts: vol::describe(store, &record.mounts),
        network_settings: NetworkSettings {
            ip_address: state.run.as_ref().filter(|_| is_up(state.status)).and_then(|run| run.address),
            ports: out::ports(ports),
        },
        state: state_of(state)?,
        details: None,
    })
}

fn made(created: &str) -> Result<Time> {
    created.parse::<Time>().context("read when it was made")
}

const fn is_up(status: Status) -> bool {
    matches!(status, Status::Running)
}

fn state_of(state: State) -> Result<out::State> {
    let up = is_up(state.status);
    let time = |text: String| text.parse::<Time>().context("read the record of its run");
    let exit = state.exit;
    Ok(out::State {
        status: match state.status {
            Status::Created => out::Status::Created,
            Status::Running => out::Status::Running,
            Status::Restarting => out::Status::Restarting,
            Status::Exited => out::Status::Exited,
            Status::Lost => out::Status::Lost,
        },
        running: up,
        pid: state.run.as_ref().filter(|_| up).map(|run| run.pid),
        exit_code: exit.as_ref().map(|exit| exit.code),
        oom_killed: exit.as_ref().is_some_and(|exit| exit.oom_killed),
        error: exit.as_ref().map(|exit| exit.error.clone()).filter(|error| !error.is_empty()),
        started_at: state.run.map(|run| time(run.started)).transpose()?,
        finished_at: exit.map(|exit| time(exit.finished)).transpose()?,
    })
}

fn config(record: &Record, spec: &Spec) -> ConfigDetails {
    ConfigDetails {
        hostname: record.hostname.clone(),
        user: record.user.clone(),
        env: spec.process().as_ref().and_then(|process| process.env().clone()).unwrap_or_default(),
        cmd: record.args.clone(),
        working_dir: record.workdir.clone(),
        tty: record.tty,
        open_stdin: record.stdin_open,
        stop_signal: types::signal::name(record.stop_signal).into_owned(),
        stop_timeout: record.stop_timeout,
        create_command: record.create_command.clone(),
    }
}

fn host_config(record: &Record, spec: &Spec) -> HostConfig {
    let limits = spec::resources(spec);
    let (memory, cpu, pids) = (limits.memory().unwrap_or_default(), limits.cpu().clone(), limits.pids());
    let cpu = cpu.unwrap_or_default();
    // Microseconds of a period, back to 10^-9 processors.
    let nano_cpus = cpu.quota().zip(cpu.period()).map(|(quota, period)| {
        u64::try_from(quota).unwrap_or(0).saturating_mul(1_000_000_000) / period.max(1)
    });
    let capabilities = spec.process().as_ref().and_then(|process| process.capabilities().clone());
    let bounding = capabilities.and_then(|sets| sets.bounding().clone()).unwrap_or_default();
    let mut capabilities: Vec<String> = bounding.iter().map(|cap| format!("CAP_{cap}")).collect();
    capabilities.sort_unstable();
    HostConfig {
        network_mode: record.network.name().to_owned(),
        auto_remove: record.auto_remove,
        privileged: record.privileged,
        readonly_rootfs: spec.root().as_ref().and_then(oci_spec::runtime::Root::readonly).unwrap_or(false),
        restart_policy: restart_policy(record.restart),
        memory: memory.limit().unwrap_or(0),
        memory_swap: memory.swap().unwrap_or(0),
        nano_cpus: nano_cpus.unwrap_or(0),
        cpu_shares: cpu.shares().unwrap_or(0),
        cpuset_cpus: cpu.cpus().clone().unwrap_or_default(),
        pids_limit: pids.map_or(-1, |pids| pids.limit()),
        capabilities,
        group_add: record.groups.clone(),
        dns: record.dns.clone(),
        dns_search: record.dns_search.clone(),
        dns_options: record.dns_options.clone(),
        extra_hosts: record.add_hosts.iter().map(|(name, address)| format!("{name}:{address}")).collect(),
    }
}

fn restart_policy(restart: Restart) -> out::RestartPolicy {
    let (name, times) = match restart {
        Restart::No => ("no", 0),
        Restart::OnFailure(times) => ("on-failure", times.unwrap_or(0)),
        Restart::Always => ("always", 0),
        Restart::UnlessStopped => ("unless-stopped", 0),
    };
    out::RestartPolicy { name: name.to_owned(), maximum_retry_count: times }
}
