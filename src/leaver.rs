//! Whom a call asks to leave: an index, and which of its lives.
//!
//! Whoever lists threads and then asks them one by one may find that a thread has exited meanwhile, and that its index is somebody
//! else's. What was meant for the thread that was listed must not reach the one that has followed it: it would be killed, or given
//! up on, for what another was asked, and whoever has asked would not know that.
//!
//! Upstream has one `phpThread` an index, and asks whoever runs there by then.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use crate::drain::{Call, Fate};
use crate::engine::InterruptFlags;
use crate::platform::Platform;
use crate::state::{Event, States};
use crate::steps::{Attempt, Steps};
use crate::thread::{Lifecycle, Request, Thread};

/// A thread that a call asks to leave.
pub struct Leaver<'a, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
{
    thread: &'a Thread<P, F, S>,
    life: Option<u32>,
}

impl<'a, P, F, S> Leaver<'a, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    /// Whoever has the index: for calls that no life of it can follow, as a shutdown's, and for hosts whose threads have one life.
    pub fn anybody(thread: &'a Thread<P, F, S>) -> Self {
        Self { thread, life: None }
    }

    /// The thread that was booted as this life of the index, see [`Thread::boot`], and nobody after it.
    pub fn of_life(thread: &'a Thread<P, F, S>, life: u32) -> Self {
        Self { thread, life: Some(life) }
    }

    /// The index.
    pub fn thread(&self) -> &'a Thread<P, F, S> {
        self.thread
    }

    /// Which life of it is meant; `None` for whichever there is.
    pub fn life(&self) -> Option<u32> {
        self.life
    }

    /// Whether the thread that is meant still has the index. For implementations of [`Steps`].
    pub fn is_there(&self, lifecycle: &Lifecycle) -> bool {
        S::is_meant(self.life, lifecycle.life())
    }

    /// What has become of it, if it is in one of these states or gone. For implementations of [`Steps`].
    pub fn came_to(&self, awaited: States, call: Call, lifecycle: &Lifecycle) -> Option<Fate> {
        if !self.is_there(lifecycle) {
            return Some(Fate::Refused);
        }
        lifecycle.is_in(awaited).map(|state| call.fate(state))
    }

    /// The safe request: see [`Thread::request`].
    pub(crate) fn request(&self, event: Event, deadline: Duration) -> Request {
        S::request(self, event, deadline)
    }

    /// One attempt at whatever it runs now: see [`Slot::attempt_current`](crate::Slot::attempt_current).
    pub(crate) fn kill(&self, nth: u32) -> Attempt {
        self.thread.slot().attempt_current(self.life, nth)
    }
}

impl<P, F, S> Clone for Leaver<'_, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
{
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, F, S> Copy for Leaver<'_, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
{
}

impl<P, F, S> Borrow<Thread<P, F, S>> for Leaver<'_, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
{
    fn borrow(&self) -> &Thread<P, F, S> {
        self.thread
    }
}

impl<P, F, S> fmt::Debug for Leaver<'_, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaver").field("thread", &self.thread.index()).field("life", &self.life).finish()
    }
}
