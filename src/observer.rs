//! What a runtime tells about itself while it works: notices for whoever watches, and a counter for each kind.
//!
//! ```
//! use std::sync::mpsc;
//!
//! use forcekill::{Notice, Notices};
//!
//! let (notices_to, noticed) = mpsc::channel();
//! let notices = Notices::new(move |notice: &Notice| {
//!     let _ = notices_to.send(notice.clone());
//! });
//! notices.tell(Notice::Killed { thread: 3 });
//! assert_eq!(noticed.recv()?, Notice::Killed { thread: 3 });
//! assert_eq!(notices.counts().killed, 1);
//! # Ok::<(), mpsc::RecvError>(())
//! ```
//!
//! With the cargo feature `tracing`, `TracingObserver` makes an event of the `tracing` crate of each notice.
//!
//! Upstream: its log messages, and the `Metrics` interface.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

#[macro_use]
mod counters;
mod notice;
#[cfg(feature = "tracing")]
mod tracing;

pub use notice::{Counters, Counts, Notice, Rejection};

#[cfg(feature = "tracing")]
pub use self::tracing::TracingObserver;

/// Whoever watches a runtime. Closures that take a `&Notice` are observers, and so is `()`, which looks away.
///
/// A notice comes on the thread on which the thing happens: any of the host's, or a PHP thread, whose system calls a kill may
/// interrupt. Several may come at once.
///
/// No lock of the library's is held meanwhile, so an observer may look at the runtime. It must not block, and must not wait
/// for the runtime: the time that it takes comes on top of the bound of the call that it is told about.
///
/// It may panic: the panic goes no further than [`Notices::tell`], and is counted as [`Counts::observer_panics`].
pub trait Observer: Send + Sync + 'static {
    /// Something has happened.
    fn notice(&self, notice: &Notice);
}

impl Observer for () {
    fn notice(&self, _notice: &Notice) {}
}

impl<F: Fn(&Notice) + Send + Sync + 'static> Observer for F {
    fn notice(&self, notice: &Notice) {
        self(notice);
    }
}

/// An observer that somebody else keeps too.
impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn notice(&self, notice: &Notice) {
        (**self).notice(notice);
    }
}

/// Where notices go: they are counted, and passed on to the observer. Clones are the same counters and the same observer.
///
/// All of it may be called from any thread.
#[derive(Clone)]
pub struct Notices(Arc<Inner<dyn Observer>>);

struct Inner<O: ?Sized> {
    counters: Counters,
    observer: O,
}

impl Notices {
    /// Counters at zero, and this observer.
    pub fn new(observer: impl Observer) -> Self {
        Self(Arc::new(Inner { counters: Counters::default(), observer }))
    }

    /// Counts the notice, then passes it on. Must not be called with a lock held that the observer could need, and never in
    /// a monitor's section, which a search may repeat.
    pub fn tell(&self, notice: Notice) {
        self.0.counters.count(&notice);
        // Unwind safe: the observer alone sees what its panic has left behind, and it was told that this is its own affair.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.0.observer.notice(&notice))) {
            self.0.counters.count_observer_panic();
            discard(payload);
        }
    }

    /// What has been counted so far.
    pub fn counts(&self) -> Counts {
        self.0.counters.snapshot()
    }
}

/// Drops what a panic carried, which may panic as well.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // Not dropped: somebody whose payloads panic when they are dropped would go on like this for ever.
        std::mem::forget(another);
    }
}

impl Default for Notices {
    /// Counts alone; nobody watches.
    fn default() -> Self {
        Self::new(())
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notices").field(&self.counts()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Recorder(Mutex<Vec<Notice>>);

    impl Observer for Recorder {
        fn notice(&self, notice: &Notice) {
            self.0.lock().unwrap().push(notice.clone());
        }
    }

    #[test]
    fn an_observer_is_told_everything_in_order() {
        let recorder = Arc::new(Recorder::default());
        let notices = Notices::new(Arc::clone(&recorder));
        let told = notice::examples();
        for notice in &told {
            notices.clone().tell(notice.clone());
        }
        assert_eq!(*recorder.0.lock().unwrap(), told);
        assert_eq!(notices.counts().total(), told.len() as u64);
        assert_eq!(notices.counts().observer_panics, 0);
    }

    #[test]
    fn a_closure_is_an_observer_and_finds_the_notice_counted() {
        let found = Arc::new(Mutex::new(Vec::new()));
        let notices = Arc::new(std::sync::OnceLock::<Notices>::new());
        let observer = {
            let (found, notices) = (Arc::clone(&found), Arc::clone(&notices));
            move |notice: &Notice| {
                let counted = notices.get().unwrap().counts().killed;
                found.lock().unwrap().push((notice.clone(), counted));
            }
        };
        notices.set(Notices::new(observer)).unwrap();
        notices.get().unwrap().tell(Notice::Killed { thread: 3 });
        assert_eq!(*found.lock().unwrap(), [(Notice::Killed { thread: 3 }, 1)]);
    }

    /// Panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            // `resume_unwind` panics without a message on the test's output.
            std::panic::resume_unwind(Box::new(Self));
        }
    }

    #[test]
    fn a_panic_of_the_observer_goes_no_further_and_is_counted() {
        let notices = Notices::new(|notice: &Notice| match notice {
            Notice::ShutDown => std::panic::resume_unwind(Box::new("the observer panics")),
            Notice::TornDown => std::panic::resume_unwind(Box::new(Bomb)),
            _ => {}
        });
        notices.tell(Notice::ShutDown);
        notices.tell(Notice::TornDown);
        notices.tell(Notice::Killed { thread: 0 });
        let counts = notices.counts();
        assert_eq!(counts, Counts { shut_down: 1, torn_down: 1, killed: 1, observer_panics: 2, ..counts });
        assert_eq!(counts.total(), 3);
    }

    #[test]
    fn an_observer_may_panic_while_its_thread_unwinds() {
        struct Told<'a>(&'a Notices);
        impl Drop for Told<'_> {
            fn drop(&mut self) {
                self.0.tell(Notice::ShutDown);
            }
        }
        let notices = Notices::new(|_: &Notice| std::panic::resume_unwind(Box::new(())));
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _told = Told(&notices);
            std::panic::resume_unwind(Box::new("the thread's own"));
        }));
        assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"the thread's own"));
        assert_eq!(notices.counts().observer_panics, 1);
    }

    #[test]
    fn without_an_observer_notices_are_counted_all_the_same() {
        let notices = Notices::default();
        notices.tell(Notice::ShutDown);
        assert_eq!(notices.counts(), Counts { shut_down: 1, ..Counts::default() });
    }
}
