//! An engine whose memory is really on the heap, as PHP's is: what a thread has, what the process has, and what the threads
//! count in. Whoever runs in it goes through bare pointers, so that AddressSanitizer sees a use after free, and a [`Ledger`] of
//! its own sees without a sanitizer when something is freed under somebody's feet.
//!
//! | memory | PHP | allocated | freed |
//! |---|---|---|---|
//! | tables | TSRM's | [`Engine::start_up`] | [`Engine::tear_down`] |
//! | metrics | the thread metrics | [`Engine::allocate_metrics`] | [`Engine::free_metrics`] |
//! | globals, with the two flags | the thread's `EG` | [`Engine::start_thread`] | [`ThreadStorage::free`] |

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forcekill::{Engine, EngineError, InterruptFlags, Native, On, Requests, ScriptEnd, ThreadStorage};

/// How many threads the tables are for.
const SEATS: usize = 16;

/// What becomes of memory that is to be freed while somebody may still use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freeing {
    /// It is freed: a sanitizer sees who uses it.
    Really,
    /// The ledger alone has it as freed, and keeps it until nobody can use it any more: for protocols that are known to be wrong,
    /// in processes that have to go on.
    UnlessInUse,
}

/// What the engine has allocated, who uses it, and what went wrong.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Threads between the start of their start and the end of their end.
    inside: AtomicU32,
    /// Allocations that were not freed.
    blocks: AtomicU32,
    wrongs: Mutex<Vec<String>>,
    kept: Mutex<Kept>,
}

/// What was to be freed while somebody could use it.
#[derive(Debug, Default)]
struct Kept {
    cells: Vec<Cells>,
    globals: Vec<NonNull<Globals>>,
}

// SAFETY: addresses, which are used by whoever drops the ledger alone.
unsafe impl Send for Kept {}

impl Ledger {
    /// How many threads are in the engine, and how many allocations were not freed.
    pub fn now(&self) -> (u32, u32) {
        (self.inside.load(SeqCst), self.blocks.load(SeqCst))
    }

    /// Everything that went wrong so far.
    pub fn wrongs(&self) -> Vec<String> {
        locked(&self.wrongs).clone()
    }

    fn wrong(&self, what: String) {
        locked(&self.wrongs).push(what);
    }

    /// Counts as freed.
    fn keep(&self, cells: impl IntoIterator<Item = Cells>) {
        let mut kept = locked(&self.kept);
        let before = kept.cells.len();
        kept.cells.extend(cells);
        self.blocks.fetch_sub((kept.cells.len() - before) as u32, SeqCst);
    }
}

/// Each thread's storage and the engine hold the ledger, so by now nobody uses what it has kept.
impl Drop for Ledger {
    fn drop(&mut self) {
        let Kept { cells, globals } = std::mem::take(&mut *locked(&self.kept));
        for cells in cells {
            // SAFETY: see above; it was kept instead of freed, once.
            unsafe { cells.free() };
        }
        for globals in globals {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(globals.as_ptr()) });
        }
    }
}

/// A few counters on the heap, by their bare address.
#[derive(Clone, Copy, Debug)]
struct Cells(NonNull<[AtomicU32]>);

// SAFETY: an address. Who uses it has to say why it is valid; what it leads to is atomic.
unsafe impl Send for Cells {}

impl Cells {
    fn allocate(count: usize, ledger: &Ledger) -> Self {
        ledger.blocks.fetch_add(1, SeqCst);
        let cells: Box<[AtomicU32]> = (0..count).map(|_| AtomicU32::new(0)).collect();
        Self(NonNull::from(Box::leak(cells)))
    }

    /// # Safety
    /// It must not have been freed.
    unsafe fn add_one(self, at: usize) {
        // SAFETY: allocated above, and not freed, as promised.
        let cells = unsafe { self.0.as_ref() };
        // Relaxed: nobody reads what it comes to.
        cells[at].fetch_add(1, Relaxed);
    }

    /// # Safety
    /// It must not have been freed, and nobody may use it after this.
    unsafe fn free(self) {
        // SAFETY: the address came from a box, and is freed once, as promised.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The engine. A request is what its script does.
pub struct HeapEngine {
    freeing: Freeing,
    ledger: Arc<Ledger>,
    process: Mutex<ProcessWide>,
}

#[derive(Default)]
struct ProcessWide {
    tables: Option<Cells>,
    metrics: Option<Cells>,
}

/// What a request's script does; `true` answers the request.
pub struct HeapTask(Box<dyn FnOnce(&HeapScript<'_>) -> bool + Send>);

impl HeapTask {
    /// A request whose script does this.
    pub fn new(script: impl FnOnce(&HeapScript<'_>) -> bool + Send + 'static) -> Self {
        Self(Box::new(script))
    }
}

impl HeapEngine {
    /// An engine that was not started.
    pub fn new(freeing: Freeing) -> Self {
        Self { freeing, ledger: Arc::default(), process: Mutex::default() }
    }

    /// What it has allocated, who is inside, and what went wrong.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Frees what the whole process has. The caller holds the lock, under which threads enter.
    fn free(&self, what: &str, cells: Option<Cells>) {
        let Some(cells) = cells else {
            return self.ledger.wrong(format!("{what} freed twice, or never allocated"));
        };
        let inside = self.ledger.inside.load(SeqCst);
        if inside > 0 {
            self.ledger.wrong(format!("{what} freed under {inside} threads"));
            if self.freeing == Freeing::UnlessInUse {
                return self.ledger.keep([cells]);
            }
        }
        self.ledger.blocks.fetch_sub(1, SeqCst);
        // SAFETY: it was taken out of its place, so this is once. Nobody uses it after this, because nobody is inside; with
        // `Freeing::Really` a protocol that is wrong breaks this, and that is what is to be seen.
        unsafe { cells.free() };
    }
}

/// With a protocol that is wrong, what a shutdown has left behind.
impl Drop for HeapEngine {
    fn drop(&mut self) {
        let ProcessWide { tables, metrics } = std::mem::take(&mut *locked(&self.process));
        self.ledger.keep(tables.into_iter().chain(metrics));
    }
}

impl Engine<Native> for HeapEngine {
    type Flags = HeapFlags;
    type Storage = HeapStorage;
    type Request = HeapTask;
    type Response = ();

    fn start_up(&self) -> Result<(), EngineError> {
        let mut process = locked(&self.process);
        if process.tables.is_some() {
            self.ledger.wrong("the engine was started over one that was not torn down".to_string());
        }
        self.ledger.keep(process.tables.replace(Cells::allocate(SEATS, &self.ledger)));
        Ok(())
    }

    fn tear_down(&self) {
        let mut process = locked(&self.process);
        let tables = process.tables.take();
        self.free("tables", tables);
    }

    fn allocate_metrics(&self, threads: usize) {
        let metrics = Cells::allocate(threads, &self.ledger);
        self.ledger.keep(locked(&self.process).metrics.replace(metrics));
    }

    fn free_metrics(&self) {
        let mut process = locked(&self.process);
        let metrics = process.metrics.take();
        self.free("metrics", metrics);
    }

    fn start_thread(&self, thread: usize) -> Result<HeapStorage, EngineError> {
        let process = locked(&self.process);
        let (Some(tables), Some(metrics)) = (process.tables, process.metrics) else {
            self.ledger.wrong("a thread was started in an engine that was torn down".to_string());
            return Err(EngineError { what: "it was torn down".to_string() });
        };
        self.ledger.inside.fetch_add(1, SeqCst);
        drop(process);
        let storage =
            HeapStorage::allocate(thread, (tables, metrics), self.freeing, Arc::clone(&self.ledger));
        storage.work();
        Ok(storage)
    }

    fn run_worker(&self, on: On<'_, HeapStorage>, requests: &mut dyn Requests<HeapTask, ()>) -> ScriptEnd {
        let script = HeapScript { storage: on.storage, end: Cell::new(ScriptEnd::Finished) };
        while let Some(task) = requests.next() {
            script.work();
            let answered = (task.0)(&script);
            if script.is_killed() {
                break;
            }
            if answered {
                requests.answer(());
            }
            if script.end.get() == ScriptEnd::Unhealthy {
                break;
            }
        }
        script.work();
        script.end.get()
    }

    fn run_request(&self, on: On<'_, HeapStorage>, request: HeapTask) -> (Option<()>, ScriptEnd) {
        let script = HeapScript { storage: on.storage, end: Cell::new(ScriptEnd::Finished) };
        script.work();
        let answered = (request.0)(&script);
        script.work();
        (answered.then_some(()), script.end.get())
    }
}

/// A script, as its task sees it.
pub struct HeapScript<'a> {
    storage: &'a HeapStorage,
    end: Cell<ScriptEnd>,
}

impl HeapScript<'_> {
    /// Uses everything that a script of PHP's uses.
    pub fn work(&self) {
        self.storage.work();
    }

    /// Whether it has been killed.
    pub fn is_killed(&self) -> bool {
        // SAFETY: `no-access-after-free`: the storage is freed when the thread has left its last script.
        let globals = unsafe { self.storage.globals.as_ref() };
        // Relaxed: says that the script is to end, and orders nothing.
        globals.timed_out.load(Relaxed)
    }

    /// Has a fresh OS thread take over.
    pub fn is_unhealthy(&self) {
        self.end.set(ScriptEnd::Unhealthy);
    }

    /// What its thread does when its storage is to be freed, before it is.
    pub fn before_free(&self, act: impl FnOnce() + 'static) {
        *self.storage.before_free.borrow_mut() = Some(Box::new(act));
    }
}

/// What an engine in C has for a thread.
#[derive(Debug)]
struct Globals {
    timed_out: AtomicBool,
    vm_interrupt: AtomicBool,
    opcodes: AtomicU32,
}

/// A thread's storage, by its bare address, and the addresses of what the process has.
pub struct HeapStorage {
    thread: usize,
    globals: NonNull<Globals>,
    tables: Cells,
    metrics: Cells,
    freeing: Freeing,
    ledger: Arc<Ledger>,
    /// How many [`HeapFlags`] refer to it.
    views: Arc<AtomicU32>,
    before_free: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl HeapStorage {
    fn allocate(
        thread: usize,
        (tables, metrics): (Cells, Cells),
        freeing: Freeing,
        ledger: Arc<Ledger>,
    ) -> Self {
        ledger.blocks.fetch_add(1, SeqCst);
        let globals = Globals {
            timed_out: AtomicBool::new(false),
            vm_interrupt: AtomicBool::new(false),
            opcodes: AtomicU32::new(0),
        };
        Self {
            thread,
            globals: NonNull::from(Box::leak(Box::new(globals))),
            tables,
            metrics,
            freeing,
            ledger,
            views: Arc::default(),
            before_free: RefCell::default(),
        }
    }

    fn work(&self) {
        // SAFETY: `no-access-after-free`: the storage is freed when its value is dropped.
        let globals = unsafe { self.globals.as_ref() };
        // Relaxed: nobody reads what it comes to.
        globals.opcodes.fetch_add(1, Relaxed);
        // SAFETY: `teardown-alone` and `late-unwind-is-safe`: the engine is not torn down while this thread is registered, however
        // late it is.
        unsafe { self.tables.add_one(self.thread) };
        // SAFETY: `metrics-alive`: they are freed when nothing lingers, and this thread does.
        unsafe { self.metrics.add_one(self.thread) };
    }
}

impl ThreadStorage for HeapStorage {
    type Flags = HeapFlags;

    fn flags(&self) -> HeapFlags {
        self.views.fetch_add(1, SeqCst);
        HeapFlags { globals: self.globals, views: Arc::clone(&self.views) }
    }

    fn free(self) {
        let act = self.before_free.borrow_mut().take();
        if let Some(act) = act {
            act();
        }
    }
}

/// Also when [`ThreadStorage::free`] has panicked.
impl Drop for HeapStorage {
    fn drop(&mut self) {
        self.work();
        self.ledger.blocks.fetch_sub(1, SeqCst);
        let views = self.views.load(SeqCst);
        if views > 0 {
            self.ledger.wrong(format!("a thread's storage freed while {views} slots refer to it"));
        }
        if views == 0 || self.freeing == Freeing::Really {
            // SAFETY: the address came from a box, and this is once. `no-access-after-free`: no slot refers to it any more; one
            // that does breaks this, and that is what is to be seen.
            drop(unsafe { Box::from_raw(self.globals.as_ptr()) });
        } else {
            locked(&self.ledger.kept).globals.push(self.globals);
        }
        self.ledger.inside.fetch_sub(1, SeqCst);
    }
}

/// A thread's flags, by their bare address.
pub struct HeapFlags {
    globals: NonNull<Globals>,
    views: Arc<AtomicU32>,
}

// SAFETY: an address, and what it leads to is atomic.
unsafe impl Send for HeapFlags {}
// SAFETY: as above.
unsafe impl Sync for HeapFlags {}

impl InterruptFlags for HeapFlags {
    type Flag = AtomicBool;

    fn timed_out(&self) -> &AtomicBool {
        // SAFETY: `no-access-after-free`: the slot drops this value when it is cleared, which is before the storage is freed.
        &unsafe { self.globals.as_ref() }.timed_out
    }

    fn vm_interrupt(&self) -> &AtomicBool {
        // SAFETY: `no-access-after-free`, as above.
        &unsafe { self.globals.as_ref() }.vm_interrupt
    }
}

impl Drop for HeapFlags {
    fn drop(&mut self) {
        self.views.fetch_sub(1, SeqCst);
    }
}

/// A script's panic must not make the next round's engine unusable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for HeapTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeapTask")
    }
}

impl fmt::Debug for HeapFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeapFlags")
    }
}
