//! The distribution protocol offered: the images of a store, and what is kept beside them, as a registry.
//!
//! Promises: what a name means to the tools, it means here; content is sent as it is in the store; nothing gets
//! a name in it before its digest was found right, and an upload that is given up leaves nothing. Strangers may
//! ask: requests, connections and uploads are bounded in size, number and time.
//! Does not: know who asks. Whoever reaches the address may read all images and, if it is writable, change them.
//!
//! HTTP itself is hyper's, TLS is rustls's, on one thread; what a request does runs in a thread of its own,
//! since the store is files. See the distribution spec 1.1 for the rest.

mod answer;
mod blobs;
mod body;
mod listen;
mod lists;
mod manifests;
mod names;
mod patient;
mod range;
mod referrers;
mod request;
mod route;
mod tls;
mod uploads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::Store;
use tokio::sync::Notify;
use types::platform::Platform;

pub use listen::serve;
pub use tls::Tls;

/// How to serve.
#[derive(Debug)]
pub struct Options {
    /// Encrypts with this.
    pub tls: Option<Tls>,
    /// Lets clients push and delete.
    pub writable: bool,
    /// Pushed images for this platform become images of the store.
    pub platform: Platform,
    /// Connections at once; more have to wait.
    pub connections: usize,
}

/// Something happened that the operator may want to know.
#[derive(Debug)]
pub enum Event<'e> {
    /// A request was answered.
    Answered {
        /// Who asked.
        peer: std::net::SocketAddr,
        /// `GET`.
        method: &'e str,
        /// The path, as it was sent.
        path: &'e str,
        /// `200`.
        status: u16,
    },
    /// Something is not as it should be, on our side.
    Trouble(&'e types::Error),
}

/// Who is told. Called by several threads.
pub type Watch = dyn Fn(&Event<'_>) + Send + Sync;

/// Asks a server to end: no new connections, and those that are open end with their request.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Stopping>);

#[derive(Debug, Default)]
struct Stopping {
    now: AtomicBool,
    wake: Notify,
}

impl Stop {
    /// Asks.
    pub fn now(&self) {
        self.0.now.store(true, Ordering::SeqCst);
        self.0.wake.notify_waiters();
    }

    /// Returns when asked.
    async fn asked(&self) {
        let woken = self.0.wake.notified();
        tokio::pin!(woken);
        // Before the look: what is asked between look and wait must wake us.
        woken.as_mut().enable();
        if !self.0.now.load(Ordering::SeqCst) {
            woken.await;
        }
    }
}

/// What every request needs.
struct App {
    store: &'static Store,
    options: Options,
    uploads: uploads::Uploads,
    watch: Box<Watch>,
}
