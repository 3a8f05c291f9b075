//! The requests of one pool: those that wait, and those that a thread has taken.
//!
//! A thread *takes* a request, and then *begins* it in a critical section of its own that finds it unasked. Between the two
//! somebody may have asked the thread to leave: then it hands the request back. So a request is begun at most once, by a thread
//! that stays until it has served it, and one that was taken by a leaver is not lost.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::observer::Rejection;
use crate::platform::{Monitor, Platform};
use crate::roster::Life;

/// The queue of one pool.
pub struct Queue<P: Platform, Q: Send + 'static, A: Send + 'static> {
    waiting: P::Monitor<Waiting<Q, A>>,
}

/// What the monitor holds. Public for implementations of the steps alone.
pub struct Waiting<Q, A> {
    is_open: bool,
    next: u64,
    /// In the order in which they came. One that is settled stays until its dispatcher has seen it.
    requests: Vec<Pending<Q, A>>,
}

/// One request, and where it is.
struct Pending<Q, A> {
    id: u64,
    place: Place,
    parcel: Parcel<Q, A>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Waiting,
    Taken(Life),
    Settled(Settled),
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// Its response is there.
    Answered,
    /// Its script ended without a response.
    Unanswered,
    /// Its thread was abandoned.
    Lost,
    /// A shutdown came before a thread took it.
    Closed,
    /// No thread took it in time.
    TimedOut,
}

/// The request and its response on their way. No part of what a search compares: who may touch it is settled by the place.
pub struct Parcel<Q, A>(Arc<Mutex<Content<Q, A>>>);

/// A parcel with the number that the queue gave it.
pub(crate) type Numbered<Q, A> = (u64, Parcel<Q, A>);

struct Content<Q, A> {
    request: Option<Q>,
    response: Option<A>,
}

impl<P: Platform, Q: Send + 'static, A: Send + 'static> Queue<P, Q, A> {
    pub(crate) fn new(platform: &P) -> Self {
        Self { waiting: platform.monitor(Waiting { is_open: true, next: 1, requests: Vec::new() }) }
    }

    /// Puts a request in, unless the queue is closed, or has `most` requests waiting already.
    pub(crate) fn push(&self, parcel: &Parcel<Q, A>, most: usize) -> Result<u64, Rejection> {
        self.waiting.with(|waiting| waiting.push(parcel, most))
    }

    /// The next request that waits.
    pub(crate) fn take(&self, life: Life) -> Option<Numbered<Q, A>> {
        self.waiting.with(|waiting| waiting.take(life))
    }

    /// One critical section.
    #[track_caller]
    pub(crate) fn with<R: crate::platform::Answer>(&self, change: impl Fn(&mut Waiting<Q, A>) -> R) -> R {
        self.waiting.with(change)
    }

    /// Waits until the request is settled. If it is not when the deadline passes, it stays where it is, and the error says whether
    /// it waits for a thread, or one has taken it.
    pub(crate) fn wait_settled_until(&self, id: u64, deadline: Duration) -> Result<Settled, bool> {
        self.waiting.wait_until_or(
            deadline,
            |waiting| waiting.settled(id).map(Ok),
            |waiting| Err(waiting.waits(|pending| pending.id == id)),
        )
    }

    /// Whether any request waits for a thread.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.with(|waiting| waiting.waits(|_| true))
    }

    /// Waits until the request is settled, or until `deadline` if no thread has taken it by then.
    pub(crate) fn wait_settled(&self, id: u64, deadline: Duration) -> Settled {
        let in_time = self.waiting.wait_until_or(
            deadline,
            |waiting| waiting.settled(id).map(Some),
            |waiting| waiting.give_up(id),
        );
        // Its thread may hand it back, and there may be nobody else to take it: its time is over then.
        let settled = |waiting: &mut Waiting<Q, A>| waiting.settled(id).or_else(|| waiting.give_up(id));
        in_time.unwrap_or_else(|| self.waiting.wait(settled))
    }
}

impl<Q, A> Waiting<Q, A> {
    fn push(&mut self, parcel: &Parcel<Q, A>, most: usize) -> Result<u64, Rejection> {
        if !self.is_open {
            return Err(Rejection::ShuttingDown);
        }
        if self.requests.iter().filter(|pending| pending.place == Place::Waiting).count() >= most {
            return Err(Rejection::QueueFull);
        }
        let id = self.next;
        self.next += 1;
        self.requests.push(Pending { id, place: Place::Waiting, parcel: parcel.clone() });
        Ok(id)
    }

    fn take(&mut self, life: Life) -> Option<Numbered<Q, A>> {
        let next = self.requests.iter_mut().find(|pending| pending.place == Place::Waiting)?;
        next.place = Place::Taken(life);
        Some((next.id, next.parcel.clone()))
    }

    /// Whether one of these requests waits for a thread.
    fn waits(&self, is: impl Fn(&Pending<Q, A>) -> bool) -> bool {
        self.requests.iter().any(|pending| pending.place == Place::Waiting && is(pending))
    }

    /// Whether requests are still taken in.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// A leaver hands a request back, to be served by another; `false` if it has been settled meanwhile.
    pub fn hand_back(&mut self, id: u64, life: Life) -> bool {
        let place = if self.is_open { Place::Waiting } else { Place::Settled(Settled::Closed) };
        self.place_of_taken(id, life).map(|taken| *taken = place).is_some()
    }

    /// The thread that has taken a request is done with it.
    pub fn settle(&mut self, id: u64, life: Life, settled: Settled) {
        if let Some(taken) = self.place_of_taken(id, life) {
            *taken = Place::Settled(settled);
        }
    }

    /// A thread was abandoned: what it has taken will not be answered.
    pub fn lose(&mut self, life: Life) {
        for pending in self.requests.iter_mut().filter(|pending| pending.place == Place::Taken(life)) {
            pending.place = Place::Settled(Settled::Lost);
        }
    }

    /// The same for whichever life of the thread: nobody has followed it.
    pub fn lose_all_of(&mut self, thread: usize) {
        for pending in &mut self.requests {
            if matches!(pending.place, Place::Taken(life) if life.thread == thread) {
                pending.place = Place::Settled(Settled::Lost);
            }
        }
    }

    /// Nothing is taken in any more, and what waits is rejected.
    pub fn close(&mut self) {
        self.is_open = false;
        for pending in self.requests.iter_mut().filter(|pending| pending.place == Place::Waiting) {
            pending.place = Place::Settled(Settled::Closed);
        }
    }

    fn place_of_taken(&mut self, id: u64, life: Life) -> Option<&mut Place> {
        let mut of_id = self.requests.iter_mut().filter(|pending| pending.id == id);
        of_id.next().map(|pending| &mut pending.place).filter(|place| **place == Place::Taken(life))
    }

    /// How the request ended, if it has; it is forgotten then.
    fn settled(&mut self, id: u64) -> Option<Settled> {
        let number = self.requests.iter().position(|pending| pending.id == id)?;
        let Place::Settled(settled) = self.requests[number].place else { return None };
        self.requests.remove(number);
        Some(settled)
    }

    /// The deadline has passed: one that waits is forgotten, one that a thread has taken is not.
    fn give_up(&mut self, id: u64) -> Option<Settled> {
        let number = self.requests.iter().position(|pending| pending.id == id)?;
        (self.requests[number].place == Place::Waiting).then(|| {
            self.requests.remove(number);
            Settled::TimedOut
        })
    }
}

impl<Q, A> Parcel<Q, A> {
    pub(crate) fn new(request: Q) -> Self {
        Self(Arc::new(Mutex::new(Content { request: Some(request), response: None })))
    }

    pub(crate) fn take_request(&self) -> Option<Q> {
        self.content().request.take()
    }

    pub(crate) fn put_response(&self, response: A) {
        self.content().response = Some(response);
    }

    pub(crate) fn take_response(&self) -> Option<A> {
        self.content().response.take()
    }

    fn content(&self) -> MutexGuard<'_, Content<Q, A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> Clone for Waiting<Q, A> {
    fn clone(&self) -> Self {
        Self { is_open: self.is_open, next: self.next, requests: self.requests.clone() }
    }
}

impl<Q, A> PartialEq for Waiting<Q, A> {
    fn eq(&self, other: &Self) -> bool {
        (self.is_open, self.next, &self.requests) == (other.is_open, other.next, &other.requests)
    }
}

impl<Q, A> Eq for Waiting<Q, A> {}

impl<Q, A> Hash for Waiting<Q, A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.is_open, self.next, &self.requests).hash(state);
    }
}

impl<Q, A> fmt::Debug for Waiting<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.requests.iter().map(|pending| (pending.id, pending.place));
        write!(f, "{}", if self.is_open { "open " } else { "closed " })?;
        f.debug_map().entries(places).finish()
    }
}

impl<Q, A> Clone for Pending<Q, A> {
    fn clone(&self) -> Self {
        Self { id: self.id, place: self.place, parcel: self.parcel.clone() }
    }
}

impl<Q, A> PartialEq for Pending<Q, A> {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.place) == (other.id, other.place)
    }
}

impl<Q, A> Eq for Pending<Q, A> {}

impl<Q, A> Hash for Pending<Q, A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.id, self.place).hash(state);
    }
}

impl<Q, A> Clone for Parcel<Q, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// All parcels are alike: what is in them is no part of the protocol.
impl<Q, A> PartialEq for Parcel<Q, A> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl<Q, A> Eq for Parcel<Q, A> {}

impl<Q, A> Hash for Parcel<Q, A> {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

impl<Q, A> fmt::Debug for Parcel<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parcel")
    }
}
