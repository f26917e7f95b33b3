//! Uploads: blobs that come in, whole, in pieces, or from another repository. They live in memory and in files
//! without names: a server that ends forgets them, and their files go with them.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE};
use store::{Draft, Stage, Store};
use types::Error;
use types::digest::Digest;
use types::reference::ImageRef;

use crate::answer::{Answer, Outcome, Refusal, header};
use crate::body::Arriving;
use crate::request::Head;
use crate::{App, names, range};

/// Uploads at once.
const MOST: usize = 256;
/// After which nobody is taken to go on with one.
const FORGOTTEN: Duration = Duration::from_secs(3600);
const PIECE: usize = 256 << 10;

/// The uploads of a server.
pub(crate) struct Uploads {
    store: &'static Store,
    open: Mutex<HashMap<String, Slot>>,
}

/// Locked while a request works on it.
type Slot = Arc<Mutex<Option<Upload>>>;

/// A blob that comes in.
struct Upload {
    repository: ImageRef,
    stage: Stage<'static>,
    draft: Draft,
    size: u64,
    touched: Instant,
}

/// A repository: as the client calls it, and as it is.
type Whose<'r> = (&'r str, &'r ImageRef);

impl Uploads {
    pub(crate) fn new(store: &'static Store) -> Self {
        Self { store, open: Mutex::default() }
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        // A map is whole after each of its methods.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, repository: &ImageRef) -> Result<(String, Slot), Refusal> {
        let stage = self.store.stage().map_err(Refusal::ours)?;
        let draft = stage.draft().map_err(Refusal::ours)?;
        let upload =
            Upload { repository: repository.clone(), stage, draft, size: 0, touched: Instant::now() };
        let slot = Arc::new(Mutex::new(Some(upload)));
        let id = random_id().map_err(|e| Refusal::ours(Error::io("make an id", e)))?;
        let mut open = self.lock();
        open.retain(|_, slot| !is_forgotten(slot));
        if open.len() >= MOST {
            let why = "too many uploads are open";
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", why));
        }
        open.insert(id.clone(), Arc::clone(&slot));
        Ok((id, slot))
    }

    fn find(&self, id: &str) -> Result<Slot, Refusal> {
        self.lock().get(id).cloned().ok_or_else(unknown)
    }

    fn remove(&self, id: &str) {
        self.lock().remove(id);
    }
}

fn is_forgotten(slot: &Slot) -> bool {
    match slot.try_lock() {
        Ok(upload) => upload.as_ref().is_none_or(|u| u.touched.elapsed() > FORGOTTEN),
        Err(_) => false, // a request works on it
    }
}

/// An id that nobody guesses: 32 hexadecimal digits from the kernel.
fn random_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unknown() -> Refusal {
    Refusal::not_found("BLOB_UPLOAD_UNKNOWN", "there is no such upload")
}

/// The upload of a repository, for one request at a time.
fn enter<'s>(slot: &'s Slot, (_, repository): Whose<'_>) -> Result<MutexGuard<'s, Option<Upload>>, Refusal> {
    let busy = || Refusal::new(StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID", "another request works on it");
    let upload = slot.try_lock().map_err(|_| busy())?;
    match &*upload {
        Some(open) if open.repository.same_repository(repository) => Ok(upload),
        _ => Err(unknown()),
    }
}

/// `POST`: mounts a blob, takes one in at once, or begins an upload.
pub(crate) fn begin(app: &App, head: &Head, whose: Whose<'_>, body: &mut Arriving) -> Outcome {
    if let Some(mount) = head.param("mount") {
        // All repositories share the blobs: whoever names one that is here has it everywhere. One that is
        // not here, or that cannot be, is uploaded.
        if let Some(digest) = mount.parse().ok().filter(|digest| app.store.has_blob(digest)) {
            return Ok(created(whose, &digest));
        }
    }
    let whole = head.param("digest").map(names::digest).transpose()?;
    let (id, slot) = app.uploads.begin(whose.1)?;
    let Some(digest) = whole else { return Ok(progress(StatusCode::ACCEPTED, whose, &id, 0)) };
    let done = enter(&slot, whose).and_then(|mut upload| end(app, &mut upload, head, &digest, body));
    app.uploads.remove(&id);
    done.map(|()| created(whose, &digest))
}

/// `GET`: how far it is.
pub(crate) fn status(app: &App, whose: Whose<'_>, id: &str) -> Outcome {
    let slot = app.uploads.find(id)?;
    let upload = enter(&slot, whose)?;
    let size = upload.as_ref().map_or(0, |u| u.size);
    Ok(progress(StatusCode::NO_CONTENT, whose, id, size))
}

/// `PATCH`: takes a piece in.
pub(crate) fn patch(app: &App, head: &Head, whose: Whose<'_>, id: &str, body: &mut Arriving) -> Outcome {
    let slot = app.uploads.find(id)?;
    let mut guard = enter(&slot, whose)?;
    let Some(upload) = guard.as_mut() else { return Err(unknown()) };
    let length =
        length_at(head, upload.size).map_err(|refusal| with_progress(refusal, whose, id, upload.size))?;
    match append(upload, length, body) {
        Ok(()) => Ok(progress(StatusCode::ACCEPTED, whose, id, upload.size)),
        Err(Broken::Peer(refusal)) => Err(refusal),
        Err(Broken::Ours(e)) => {
            *guard = None;
            app.uploads.remove(id);
            Err(Refusal::ours(e))
        }
    }
}

/// `PUT`: takes the last piece in, and gives the blob its name if it is what it is said to be.
pub(crate) fn finish(app: &App, head: &Head, whose: Whose<'_>, id: &str, body: &mut Arriving) -> Outcome {
    let Some(digest) = head.param("digest") else {
        return Err(Refusal::bad("DIGEST_INVALID", "an upload ends with ?digest="));
    };
    let digest = names::digest(digest)?;
    let slot = app.uploads.find(id)?;
    let mut upload = enter(&slot, whose)?;
    let size = upload.as_ref().map_or(0, |u| u.size);
    length_at(head, size).map_err(|refusal| with_progress(refusal, whose, id, size))?;
    let done = end(app, &mut upload, head, &digest, body);
    app.uploads.remove(id);
    done.map(|()| created(whose, &digest))
}

/// `DELETE`: forgets it.
pub(crate) fn cancel(app: &App, whose: Whose<'_>, id: &str) -> Outcome {
    let slot = app.uploads.find(id)?;
    *enter(&slot, whose)? = None;
    app.uploads.remove(id);
    Ok(Answer::new(StatusCode::NO_CONTENT))
}

fn end(
    app: &App,
    slot: &mut Option<Upload>,
    head: &Head,
    digest: &Digest,
    body: &mut Arriving,
) -> Result<(), Refusal> {
    let Some(mut upload) = slot.take() else { return Err(unknown()) };
    let length = length_at(head, upload.size)?;
    append(&mut upload, length, body).map_err(Refusal::from)?;
    let staged = upload.draft.finish();
    if staged.digest != *digest {
        return Err(Refusal::bad("DIGEST_INVALID", format!("it arrived with digest {}", staged.digest)));
    }
    if app.store.has_blob(digest) {
        return Ok(());
    }
    app.store.keep(vec![upload.stage.verified(&staged)], Vec::new()).map_err(Refusal::ours)
}

/// Why a piece did not come in whole.
enum Broken {
    /// What came in before counts: the client asks how far it is, and goes on.
    Peer(Refusal),
    Ours(Error),
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Peer(refusal) => refusal,
            Broken::Ours(e) => Self::ours(e),
        }
    }
}

fn append(upload: &mut Upload, length: Option<u64>, body: &mut Arriving) -> Result<(), Broken> {
    let mut piece = vec![0; PIECE];
    let mut left = length;
    loop {
        let n = body.read(&mut piece).map_err(|e| Broken::Peer(cut(&e)))?;
        let bytes = piece.get(..n).unwrap_or_default();
        if n == 0 {
            break;
        }
        if let Some(left) = &mut left {
            *left = left.checked_sub(n as u64).ok_or_else(|| Broken::Peer(wrong_length()))?;
        }
        upload.draft.write_all(bytes).map_err(|e| Broken::Ours(Error::io("write an upload", e)))?;
        upload.size += n as u64;
        upload.touched = Instant::now();
    }
    if left.is_some_and(|left| left > 0) { Err(Broken::Peer(wrong_length())) } else { Ok(()) }
}

fn cut(e: &io::Error) -> Refusal {
    let status = match e.kind() {
        io::ErrorKind::TimedOut => StatusCode::REQUEST_TIMEOUT,
        _ => StatusCode::BAD_REQUEST,
    };
    Refusal::new(status, "BLOB_UPLOAD_INVALID", format!("the request was cut: {e}"))
}

fn wrong_length() -> Refusal {
    Refusal::bad("SIZE_INVALID", "the body is not as long as its headers say")
}

/// How long the body is said to be; `None` if nobody says.
///
/// A piece with `Content-Range` must begin where the last one ended.
fn length_at(head: &Head, size: u64) -> Result<Option<u64>, Refusal> {
    let length = head.header(CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok());
    let Some(text) = head.header(CONTENT_RANGE) else { return Ok(length) };
    let Some((first, count)) = range::sent(text) else {
        return Err(Refusal::bad("BLOB_UPLOAD_INVALID", format!("Content-Range {text:?} is none")));
    };
    if first != size {
        let why = format!("the piece begins at {first}, and {size} bytes are here");
        return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", why));
    }
    if length.is_some_and(|length| length != count) { Err(wrong_length()) } else { Ok(Some(count)) }
}

fn place((name, _): Whose<'_>, id: &str) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

/// What is here already. The spec knows no word for nothing: as others do, its first byte is named.
fn so_far(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

fn progress(status: StatusCode, whose: Whose<'_>, id: &str, size: u64) -> Answer {
    Answer::new(status).with(LOCATION, place(whose, id)).with(RANGE, so_far(size)).with(header::UPLOAD, id)
}

fn with_progress(refusal: Refusal, whose: Whose<'_>, id: &str, size: u64) -> Refusal {
    refusal.with(LOCATION, place(whose, id)).with(RANGE, so_far(size))
}

fn created((name, _): Whose<'_>, digest: &Digest) -> Answer {
    Answer::new(StatusCode::CREATED)
        .with(LOCATION, format!("/v2/{name}/blobs/{digest}"))
        .with(header::CONTENT_DIGEST, digest.to_string())
}
