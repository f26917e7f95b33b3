//! Making a container: what was asked for and what the image says become one record and one OCI
//! configuration.

use oci_spec::image::ImageConfiguration;
use oci_spec::runtime::Spec;
use store::{Image, LockMode, LockedDir, Store, Sync};
use types::container::{Network, Record};
use types::port::Forward;
use types::request::Request;
use types::{Context, Error, Kind, Result, name};

use crate::{clock, spec};

/// How often a generated name that is taken is replaced by another.
const NAME_ATTEMPTS: u32 = 6;

/// Docker's grace before SIGKILL, in seconds.
const DEFAULT_STOP_TIMEOUT: i64 = 10;

/// Makes a container of an image that is here. Its directory and its name appear together or not
/// at all.
///
/// # Errors
/// `NotFound` if the image is not here (nothing else is: the caller may pull it and try again);
/// `Conflict` if the name is taken; `Invalid` for what cannot be carried out.
#[inline(never)] // its frame would be the monitor's for as long as the container lives
pub fn create(store: &Store, request: &Request) -> Result<Created> {
    store.sweep()?;
    // Held until the container refers to it: the image cannot be removed in between.
    let _images = store.lock_images(LockMode::Shared)?;
    let image = store.image(&request.image)?;
    store.note_use(&image.manifest);
    let config = store.image_config(&image)?;
    let id = new_id()?;
    let mut record = record(request, &image, &config, &id)?;
    let declared = config.config().as_ref().and_then(|c| c.volumes().clone()).unwrap_or_default();
    vol::add_image_volumes(&mut record.mounts, declared.iter().map(String::as_str));
    let mut volumes = vol::prepare(store, &mut record.mounts)?;
    record.anonymous_volumes = volumes.anonymous().to_vec();
    let created = commit(store, request, &config, record)?;
    if let Err(err) = volumes.make() {
        drop(store.remove_container(created.lock, &created.record)?);
        return Err(err);
    }
    volumes.keep();
    Ok(created)
}

/// A container that was just made, locked, with what its first start would read again.
#[must_use = "it is locked until this is dropped"]
#[derive(Debug)]
pub struct Created {
    pub(crate) record: Record,
    pub(crate) config: Spec,
    pub(crate) lock: LockedDir,
}

impl Created {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.record.id
    }
}

fn commit(
    store: &Store,
    request: &Request,
    image: &ImageConfiguration,
    mut record: Record,
) -> Result<Created> {
    let sync = if record.auto_remove { Sync::Lazy } else { Sync::Durable };
    for attempt in 0..=NAME_ATTEMPTS {
        record.name = match (&request.name, attempt) {
            (Some(name), _) => name.clone(),
            (None, NAME_ATTEMPTS) => name::short(&record.id).to_owned(),
            (None, _) => name::generate(random()?, attempt),
        };
        let config = spec::build(store, request, image, &record)?;
        let staging = store.stage_container(&record.id)?;
        match staging.commit(&record, &spec::encode(&config)?, sync) {
            Err(e) if e.kind() == Kind::Conflict && request.name.is_none() => {}
            Err(e) => return Err(e),
            Ok(lock) => return Ok(Created { record, config, lock }),
        }
    }
    Err(Error::new(Kind::Conflict, "find a free name"))
}

fn record(request: &Request, image: &Image, config: &ImageConfiguration, id: &str) -> Result<Record> {
    let of_image = config.config().clone().unwrap_or_default();
    let mut labels: std::collections::BTreeMap<_, _> =
        of_image.labels().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    labels.extend(request.labels.clone());
    let hostname = match (&request.hostname, request.network) {
        (Some(name), _) => name.clone(),
        (None, Network::Host) => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        (None, _) => name::short(id).to_owned(),
    };
    let stop_signal = match (request.stop_signal, of_image.stop_signal()) {
        (Some(signal), _) => signal,
        (None, Some(text)) => types::signal::parse(text).context("read the image's StopSignal")?,
        (None, None) => libc::SIGTERM,
    };
    let (args, entrypoint) = arguments(request, &of_image)?;
    let workdir = request.workdir.clone().or_else(|| of_image.working_dir().clone());
    Ok(Record {
        id: id.to_owned(),
        name: String::new(),
        created: clock::now(),
        image: request.image.clone(),
        image_id: image.id,
        manifest: image.manifest,
        layers: image.layers.clone(),
        args,
        entrypoint,
        user: request.user.clone().or_else(|| of_image.user().clone()).unwrap_or_default(),
        groups: request.groups.clone(),
        workdir: workdir.filter(|dir| !dir.is_empty()).unwrap_or_else(|| "/".to_owned()),
        hostname,
        labels,
        network: request.network,
        ports: ports(request, &of_image)?,
        mounts: request.mounts.clone(),
        anonymous_volumes: Vec::new(),
        add_hosts: request.add_hosts.clone(),
        dns: request.dns.clone(),
        dns_search: request.dns_search.clone(),
        dns_options: request.dns_options.clone(),
        auto_remove: request.auto_remove,
        tty: request.tty,
        init: request.init,
        stdin_open: request.stdin_open,
        privileged: request.privileged,
        restart: request.restart,
        stop_signal,
        stop_timeout: request.stop_timeout.unwrap_or(DEFAULT_STOP_TIMEOUT),
        create_command: request.command_line.clone(),
    })
}

/// Entrypoint and command, as Docker puts them together: an entrypoint of the user's takes away
/// the image's command, arguments of the user's replace it. Returns also how many are the entrypoint.
fn arguments(request: &Request, image: &oci_spec::image::Config) -> Result<(Vec<String>, u32)> {
    let own = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let (mut args, command) = match &request.entrypoint {
        Some(entrypoint) => (entrypoint.clone(), Vec::new()),
        None => (own(image.entrypoint()), own(image.cmd())),
    };
    let of_entrypoint = u32::try_from(args.len()).unwrap_or(u32::MAX);
    args.extend(if request.args.is_empty() { command } else { request.args.clone() });
    if args.is_empty() {
        return Err(Error::new(Kind::Invalid, format!("image {:?} names no program to run", request.image))
            .hint("name one after the image"));
    }
    Ok((args, of_entrypoint))
}

fn ports(request: &Request, image: &oci_spec::image::Config) -> Result<Vec<Forward>> {
    let mut ports = request.ports.clone();
    if request.publish_all {
        let exposed = image.exposed_ports().iter().flatten();
        for text in exposed {
            ports.extend(types::port::parse(text).context("read the image's ExposedPorts")?);
        }
        ports.extend(&request.expose);
    }
    let mut seen = std::collections::BTreeSet::new();
    // A port that was published by number needs no second, random one.
    ports.retain(|port| seen.insert((port.host_ip, port.host_port, port.container_port, port.proto)));
    let fixed: std::collections::BTreeSet<_> =
        request.ports.iter().map(|port| (port.container_port, port.proto)).collect();
    let asked = request.ports.len();
    let mut n = 0;
    ports.retain(|port| {
        n += 1;
        n <= asked || !fixed.contains(&(port.container_port, port.proto))
    });
    Ok(ports)
}

/// 64 hexadecimal digits that nobody has.
fn new_id() -> Result<String> {
    loop {
        if let Some(id) = name::id(&random()?) {
            return Ok(id);
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|e| Error::io("get random bytes", e))?;
    // Whole up to 256 bytes (getrandom(2)).
    debug_assert_eq!(got, N);
    Ok(bytes)
}
