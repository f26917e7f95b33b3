//! Connections: taken up to a number, each with times in which its peer must do something.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use types::{Context, Error, Kind, Result};

use crate::patient::Patient;
use crate::{App, Event, Options, Stop, Watch, request, uploads};

/// In which the head of a request must arrive, and so also how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(30);
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For requests that are under way when the server is asked to end.
const GRACE: Duration = Duration::from_secs(30);
/// Head of a request, in bytes and fields.
const MAX_HEAD: usize = 16 << 10;
const MAX_FIELDS: usize = 64;
/// When there are no descriptors left, some come free soon.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until asked to stop. What is written now is finished; what is sent now may take half a minute.
///
/// # Errors
/// If there is no thread or descriptor to begin with.
pub fn serve(
    listener: TcpListener,
    store: store::Store,
    options: Options,
    stop: &Stop,
    watch: Box<Watch>,
) -> Result<()> {
    listener.set_nonblocking(true).context("listen")?;
    let local = listener.local_addr().context("listen")?;
    let connections = options.connections.clamp(1, Semaphore::MAX_PERMITS);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Each connection has at most a request that runs and an answer that is read from a file.
        .max_blocking_threads(connections.saturating_mul(2))
        .build()
        .context("start")?;
    // The threads of requests outlive every scope that could lend it. One server a process.
    let store: &'static store::Store = Box::leak(Box::new(store));
    let uploads = uploads::Uploads::new(store);
    let app = Arc::new(App { store, options, uploads, watch });
    let outcome = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).context("listen")?;
        accept(&app, &listener, local, connections, stop).await;
        Ok(())
    });
    // A request that does not end in time is left behind with its thread; the process ends.
    runtime.shutdown_timeout(Duration::from_secs(1));
    app.uploads.clear();
    outcome
}

async fn accept(
    app: &Arc<App>,
    listener: &tokio::net::TcpListener,
    local: SocketAddr,
    most: usize,
    stop: &Stop,
) {
    let places = Arc::new(Semaphore::new(most));
    loop {
        // A place first: who comes when all are taken waits in the kernel's queue.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = stop.asked() => break,
        };
        let Ok(place) = place else { break };
        let taken = tokio::select! {
            taken = listener.accept() => taken,
            () = stop.asked() => break,
        };
        match taken {
            Ok((stream, peer)) => {
                // Small answers must not wait for more of them; without it they only take longer.
                drop(stream.set_nodelay(true));
                tokio::spawn(connection(Arc::clone(app), stream, (local, peer), place, stop.clone()));
            }
            Err(e) => {
                (app.watch)(&Event::Trouble(&Error::io("accept a connection", e)));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    // Whoever is not done then is cut off.
    drop(tokio::time::timeout(GRACE, places.acquire_many(all)).await);
}

async fn connection(
    app: Arc<App>,
    stream: tokio::net::TcpStream,
    ends: (SocketAddr, SocketAddr),
    _place: OwnedSemaphorePermit,
    stop: Stop,
) {
    let stream = Patient::new(stream);
    let Some(tls) = app.options.tls.clone() else { return http(app, stream, ends, stop).await };
    // Who cannot speak TLS, or takes too long, is not worth a word.
    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.0.accept(stream)).await {
        http(app, stream, ends, stop).await;
    }
}

async fn http(
    app: Arc<App>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    ends: (SocketAddr, SocketAddr),
    stop: Stop,
) {
    let service = service_fn(|request| request::answer(Arc::clone(&app), ends, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(MAX_FIELDS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // How a connection breaks is its peer's affair.
    tokio::select! {
        ended = connection.as_mut() => drop(ended),
        () = stop.asked() => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}

/// The error for a thread that could not be had, or broke.
pub(crate) fn no_thread(e: &tokio::task::JoinError) -> Error {
    Error::new(Kind::Io, format!("run a request: {e}"))
}
