//! The page and its interface, on loopback unless told otherwise.

mod api;
mod assets;
mod case;
mod guard;
mod pictures;
mod reply;
mod transfer;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use guard::Guard;
use pictures::Pictures;
use reply::{Asked, Reply};
pub use transfer::{Imported, import};

use crate::cases::Cases;
use crate::journal::Draft;
use crate::proposer::{Proposer, Queue};
use crate::workspace::{Workspace, is_reader};
use crate::{Input, Refusal, Result, held};

/// What to serve, and to whom.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Folder that all radiographs lie in; nothing outside it is read.
    pub radiographs: PathBuf,
    pub inputs: Vec<Input>,
    pub workspace: PathBuf,
    /// Who proposes; nobody if empty.
    pub proposers: Vec<Proposer>,
    /// Who may read; anybody who gives a name if empty.
    pub readers: Vec<String>,
    /// Default behavior: a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// Asked for on every request. Must be there unless `listen` is loopback.
    pub token: Option<String>,
    /// Whether the page names the patient of DICOM images.
    pub identifiers: bool,
}

impl ServerOptions {
    pub fn new(radiographs: PathBuf, inputs: Vec<Input>, workspace: PathBuf) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let (proposers, readers) = (Vec::new(), Vec::new());
        ServerOptions { radiographs, inputs, workspace, proposers, readers, listen, token: None, identifiers: false }
    }
}

/// A server at work; it ends when this is dropped.
pub struct Server {
    desk: Arc<Desk>,
    http: Arc<tiny_http::Server>,
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

/// What all requests share.
pub(crate) struct Desk {
    cases: Cases,
    workspace: Workspace,
    queue: Queue,
    pictures: Pictures,
    readers: Vec<String>,
    identifiers: bool,
    guard: Guard,
    drafts: Mutex<Drafts>,
}

type Drafts = HashMap<(String, String), Arc<Mutex<Draft>>>;

/// Requests answered at a time.
const WORKERS: usize = 4;
/// Drafts kept in memory; a case of 3,000 pixels a side takes 18 MB.
const MAX_DRAFTS: usize = 12;

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the workspace, listens, and sets the networks to work.
    ///
    /// # Errors
    /// `Wrong` for readers' names that are none, or an address beyond loopback without a token; `Conflict` where another server
    /// has the workspace; `Failed` where the address is taken.
    pub fn start(options: ServerOptions) -> Result<Self> {
        if let Some(reader) = options.readers.iter().find(|r| !is_reader(r)) {
            return Err(Refusal::Wrong(format!("{reader:?} is no reader's name: lower-case letters, digits, dot, hyphen, underscore")));
        }
        if !options.listen.ip().is_loopback() && options.token.as_deref().is_none_or(|t| t.len() < 16) {
            return Err(Refusal::wrong("to listen beyond this machine takes a token of 16 characters or more"));
        }
        let workspace = Workspace::open(&options.workspace)?;
        let cases = Cases::open(&options.radiographs, &options.inputs, &workspace)?;
        let listener = TcpListener::bind(options.listen).map_err(|e| Refusal::Failed(format!("{}: {e}", options.listen)))?;
        let address = listener.local_addr().map_err(|e| Refusal::Failed(e.to_string()))?;
        let http = tiny_http::Server::from_listener(listener, None).map_err(|e| Refusal::Failed(e.to_string()))?;
        let desk = Arc::new(Desk {
            queue: Queue::new(options.proposers, &cases),
            cases,
            workspace,
            pictures: Pictures::default(),
            readers: options.readers,
            identifiers: options.identifiers,
            guard: Guard::new(address, options.token),
            drafts: Mutex::default(),
        });
        let http = Arc::new(http);
        let mut threads = Vec::new();
        for _ in 0..WORKERS {
            let (desk, http) = (desk.clone(), http.clone());
            threads.push(std::thread::spawn(move || {
                while let Ok(request) = http.recv() {
                    answer(&desk, request);
                }
            }));
        }
        let worker = desk.clone();
        threads.push(std::thread::spawn(move || worker.queue.run(&worker.cases, &worker.workspace)));
        Ok(Server { desk, http, address, threads })
    }

    /// Where the page is, with the token that lets one in.
    pub fn url(&self) -> String {
        let address = self.address;
        self.desk.guard.token().map_or_else(|| format!("http://{address}/"), |token| format!("http://{address}/?token={token}"))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        for thread in std::mem::take(&mut self.threads) {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.desk.queue.stop();
        for _ in 0..WORKERS {
            self.http.unblock();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn answer(desk: &Desk, mut request: tiny_http::Request) {
    let handled = catch_unwind(AssertUnwindSafe(|| {
        let asked = Asked::of(&mut request);
        desk.guard.admit(&asked).and_then(|admitted| admitted.map_or_else(|| api::answer(desk, &asked, &mut request), Ok))
    }));
    let handled = handled.unwrap_or_else(|_| Err(Refusal::Failed("a defect of covmap itself".into())));
    handled.unwrap_or_else(|e| Reply::refusal(&e)).send(request);
}

impl Desk {
    /// The draft of a reader on a case; begun from what they decided before, where that was elsewhere.
    fn draft(&self, reader: &str, id: &str) -> Result<Arc<Mutex<Draft>>> {
        let row = match self.cases.row(id) {
            Some(row) => row,
            None => self.cases.radiograph(id, &self.workspace)?.1,
        };
        self.cases.file(id)?;
        let key = (reader.to_owned(), id.to_owned());
        let mut drafts = held(&self.drafts);
        if let Some(draft) = drafts.get(&key) {
            return Ok(draft.clone());
        }
        if drafts.len() >= MAX_DRAFTS {
            drafts.retain(|_, d| Arc::strong_count(d) > 1);
        }
        let path = self.workspace.draft_path(reader, id);
        let mut draft = Draft::open(&path, (row.height, row.width))?;
        if !path.exists() {
            transfer::begin_from_decision(&self.workspace, reader, id, &mut draft)?;
        }
        let draft = Arc::new(Mutex::new(draft));
        drafts.insert(key, draft.clone());
        Ok(draft)
    }
}
