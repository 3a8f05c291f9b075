//! The life of one OS thread: admitted, started with the engine, serving, and gone.
//!
//! ```text
//!   admit ── start_thread ── publish ─┬─ inactive: stands by
//!                                     ├─ regular: a script a request
//!                                     ├─ worker: a script for many requests
//!                                     └─ transition: admitted again, for something else
//!   clear ── free ── exit (Done, or RebootReady and the successor's spawn) ── depart ── counted out
//! ```
//!
//! Upstream: `php_thread` in `frankenphp.c`, and the handlers `inactiveThread`, `regularThread`, `workerThread`.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::queue::{Parcel, Queue, Settled};
use super::{ParcelOf, QueueOf, Shared};
use crate::engine::{Engine, EngineError, On, Requests, ScriptEnd};
use crate::observer::Notice;
use crate::occupy::Occupied;
use crate::platform::{Mark, Monitor, Platform};
use crate::roster::{Life, Pool};
use crate::state::{Event, State};
use crate::steps::runtime::RuntimeSteps;
use crate::thread::{Thread, Told};

/// How an OS thread ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ending {
    /// For good.
    Exit,
    /// A fresh OS thread takes over: because of `max_requests`, or because this one is not healthy.
    Reboot { healthy: bool },
}

/// How a thread is done with what it serves.
enum Next {
    End(Ending),
    /// It is to serve something else.
    Transition,
}

impl<E, P, S> Shared<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    /// Boots the thread of a seat that was claimed; whether an OS thread was started.
    pub(super) fn boot(self: &Arc<Self>, life: Life) -> bool {
        let thread = &self.threads[life.thread];
        if life.nth > 1 {
            // The thread before has left its seat as its last act, so it is Done; or a shutdown has seen to that.
            thread.changes(Event::Recycle);
        }
        let booted = thread.boot(life.nth) && self.spawn(life, false);
        if !booted {
            self.process.roster.with(|roster| roster.depart(self.generation, life));
        }
        booted
    }

    /// Asks an inactive thread of a claim for a transition; whether it was asked.
    pub(super) fn convert(self: &Arc<Self>, life: Life) -> bool {
        let thread = &self.threads[life.thread];
        let now = self.process.platform.now();
        let asked = thread.with(|lifecycle| {
            lifecycle.ask_idle(life.nth, Event::RequestTransition, std::time::Duration::ZERO, now)
        });
        if !asked {
            self.process.roster.with(|roster| roster.unclaim(self.generation, life));
        }
        asked
    }

    fn spawn(self: &Arc<Self>, life: Life, is_successor: bool) -> bool {
        let thread = &self.threads[life.thread];
        let shared = Arc::clone(self);
        let body = move || shared.run(life, is_successor);
        if let Err(error) = thread.spawn(&self.process.lingering, body) {
            self.process.notices.tell(Notice::SpawnFailed { thread: life.thread, error });
            let _ = thread.fail_start();
            return false;
        }
        true
    }

    /// An OS thread, from its first act to its last.
    fn run(self: &Arc<Self>, life: Life, is_successor: bool) {
        let platform = &self.process.platform;
        platform.thread_begins(life.thread);
        platform.forgets(Mark::NOTHING, || ("begins", self.generation, life, is_successor));
        // What unwinds here is a panic of the engine's outside of its scripts, or of the library: the thread ends.
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(life, is_successor)));
        let ending = served.unwrap_or(Ending::Exit);
        self.leave(life, ending);
    }

    /// From the admission to when the storage is freed.
    fn serve(self: &Arc<Self>, life: Life, is_successor: bool) -> Ending {
        let Some(pool) = S::admit(&self.process.roster, self.generation, life) else { return Ending::Exit };
        let thread = &self.threads[life.thread];
        // Like a refusal: a thread that only ended would be booted again at once, and again.
        let panicked = |_| Err(EngineError { what: "it panicked at the start of a thread".to_string() });
        let started = catch_unwind(AssertUnwindSafe(|| self.process.engine.start_thread(life.thread)));
        let storage = match started.unwrap_or_else(panicked) {
            Ok(storage) => storage,
            Err(error) => {
                self.process.notices.tell(Notice::StartRefused { thread: life.thread, error });
                self.process.roster.with(|roster| roster.want_less(self.generation, life));
                return Ending::Exit;
            }
        };
        thread.slot().occupy_with(storage, |occupied, storage| {
            let mut career = Career {
                shared: self,
                life,
                thread,
                occupied,
                storage,
                pool,
                due: None,
                served: 0,
                failures: 0,
            };
            career.live(is_successor)
        })
    }

    /// The last acts of an OS thread.
    fn leave(self: &Arc<Self>, life: Life, ending: Ending) {
        self.process.platform.forgets(Mark::NOTHING, || ("leaves", self.generation, life, ending));
        let thread = &self.threads[life.thread];
        // One that was not admitted, or refused by the engine, has not come to serve.
        let exited = match thread.exit() {
            Err(_) if thread.fail_start().is_ok() => Ok(State::Done),
            exited => exited,
        };
        match exited {
            // Also if it has panicked while it freed its storage: nobody but a successor takes an index out of this state.
            Ok(State::RebootReady) => {
                let healthy = ending == Ending::Reboot { healthy: true };
                let thread = life.thread;
                self.process.notices.tell(match healthy {
                    true => Notice::Rebooted { thread },
                    false => Notice::Respawned { thread },
                });
                if self.spawn(life, true) {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => self.process.notices.tell(Notice::EndedIllegally { thread: life.thread, error }),
        }
        self.depart(life);
    }

    /// The seat is free again, and whoever is missing may take it.
    fn depart(self: &Arc<Self>, life: Life) {
        let (had_been_abandoned, claims) =
            S::depart(&self.process.roster, self.generation, life, &self.rules);
        if had_been_abandoned {
            self.process.notices.tell(Notice::CameBack { thread: life.thread });
        }
        for claim in claims {
            self.act_on(claim);
        }
    }

    /// The worker's name, if it is one.
    pub(super) fn name_of(&self, pool: Pool) -> Option<Arc<str>> {
        let Pool::Worker(nth) = pool else { return None };
        self.config.workers().get(nth as usize).map(|worker| Arc::clone(worker.name()))
    }
}

/// An OS thread that is published.
struct Career<'a, 'o, E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    shared: &'a Arc<Shared<E, P, S>>,
    life: Life,
    thread: &'a Thread<P, E::Flags, S>,
    occupied: &'a mut Occupied<'o, P, E::Flags, S>,
    storage: &'a E::Storage,
    pool: Pool,
    /// Set when the OS thread is to be replaced: whether it is healthy.
    due: Option<bool>,
    /// How many requests it has served.
    served: u64,
    /// How many of its scripts in a row have failed to boot.
    failures: u32,
}

impl<E, P, S> Career<'_, '_, E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    fn live(&mut self, is_successor: bool) -> Ending {
        // If an event is not declared any more, somebody has asked for the thread's end; it is told so where it waits next.
        match (is_successor, self.pool) {
            (true, _) => _ = self.thread.changes(Event::Reboot),
            (false, Pool::Inactive) => {}
            (false, _) => _ = self.thread.changes(Event::Start),
        }
        loop {
            let next = match self.pool {
                Pool::Inactive => self.stand_by(),
                Pool::Regular => self.serve_regular(),
                Pool::Worker(nth) => self.serve_worker(nth as usize),
            };
            match next {
                Next::End(ending) => return ending,
                Next::Transition if self.change_handler() => {}
                Next::Transition => return Ending::Exit,
            }
        }
    }

    /// Lets go of the old handler, and takes up the new one; `false` if the thread is to exit.
    fn change_handler(&mut self) -> bool {
        if !self.thread.changes(Event::Detach) {
            return false;
        }
        // Admitted before the new script starts: whoever looks for this worker's threads from now on finds it.
        let admitted = S::admit(&self.shared.process.roster, self.shared.generation, self.life);
        self.thread.changes(Event::CompleteTransition);
        self.failures = 0;
        admitted.map(|pool| self.pool = pool).is_some()
    }

    /// Inactive: waits until something is asked.
    fn stand_by(&mut self) -> Next {
        self.thread.changes(Event::Settle);
        loop {
            if let Some(next) = Self::next(self.thread.stand_by()) {
                return next;
            }
        }
    }

    /// What follows from an order; `None` if the thread goes on as it is.
    fn next(told: Told) -> Option<Next> {
        match told {
            Told::Exit => Some(Next::End(Ending::Exit)),
            Told::Else(State::TransitionRequested) => Some(Next::Transition),
            Told::GoOn | Told::Else(_) => None,
        }
    }

    /// What follows when a script has ended.
    fn after_script(&mut self, told: Told) -> Option<Next> {
        if let Some(next) = Self::next(told) {
            return Some(next);
        }
        let healthy = self.due.filter(|_| told == Told::GoOn)?;
        if S::reboots(self.thread) {
            return Some(Next::End(Ending::Reboot { healthy }));
        }
        // Somebody has asked something meanwhile, and that comes first. No other script runs here.
        let told = self.thread.let_go();
        self.after_script(told)
    }

    fn serve_regular(&mut self) -> Next {
        self.serves();
        loop {
            if self.due.is_none()
                && let Some(Begun { id, request, parcel }) = self.next_request()
            {
                let (shared, storage) = (self.shared, self.storage);
                let on = On { thread: self.life.thread, worker: None, storage };
                let ran = self.occupied.run(|_| {
                    catch_unwind(AssertUnwindSafe(|| shared.process.engine.run_request(on, request)))
                });
                let (response, end) = ran.unwrap_or((None, ScriptEnd::Unhealthy));
                let limit = shared.config.max_requests();
                self.settle(id, &parcel, response, limit);
                self.judge(end);
            }
            let told = self.thread.let_go();
            if let Some(next) = self.after_script(told) {
                return next;
            }
        }
    }

    fn serve_worker(&mut self, nth: usize) -> Next {
        loop {
            let (booted, end) = self.run_worker(nth);
            self.judge(end);
            let left = self.thread.leave_script();
            if booted {
                self.failures = 0;
            }
            if let Some(next) = self.after_script(left.told) {
                return next;
            }
            // A script that was told to leave while it booted has not failed.
            if !booted && !left.for_a_drain {
                if self.has_failed(nth) {
                    return Next::End(Ending::Exit);
                }
                // Something may have been asked during the pause.
                let told = self.thread.let_go();
                if let Some(next) = self.after_script(told) {
                    return next;
                }
            }
        }
    }

    /// Runs the worker's script once; whether it has booted, and how it ended.
    fn run_worker(&mut self, nth: usize) -> (bool, ScriptEnd) {
        let shared = self.shared;
        let worker = &shared.config.workers()[nth];
        let (life, storage) = (self.life, self.storage);
        let mut requests = WorkerRequests {
            shared,
            queue: &shared.queues[nth + 1],
            thread: self.thread,
            life,
            pool: self.pool,
            limit: worker.max_requests(),
            served: self.served,
            current: None,
            booted: false,
        };
        let on = On { thread: life.thread, worker: Some(&**worker.name()), storage };
        let ran = self
            .occupied
            .run(|_| catch_unwind(AssertUnwindSafe(|| shared.process.engine.run_worker(on, &mut requests))));
        requests.finish(None);
        let (booted, served) = (requests.booted, requests.served);
        self.served = served;
        if worker.max_requests().is_some_and(|limit| served >= limit.get()) {
            self.due = self.due.or(Some(true));
        }
        (booted, ran.unwrap_or(ScriptEnd::Unhealthy))
    }

    /// A script has failed to boot: waits for a while before the next, or gives up (`true`).
    fn has_failed(&mut self, nth: usize) -> bool {
        let worker = &self.shared.config.workers()[nth];
        let (thread, notices) = (self.life.thread, &self.shared.process.notices);
        self.failures += 1;
        let consecutive = self.failures;
        let name = || Some(Arc::clone(worker.name()));
        notices.tell(Notice::BootFailed { thread, worker: name(), consecutive });
        // An OS thread that is not healthy runs no other script, and there is no successor before the boot is over.
        if consecutive >= worker.max_failures().get() || self.due == Some(false) {
            // If somebody has asked something meanwhile, that comes first.
            let gives_up = self.thread.changes(Event::FailBoot);
            if gives_up {
                self.shared.process.roster.with(|roster| roster.want_less(self.shared.generation, self.life));
                notices.tell(Notice::GaveUpBooting { thread, worker: name() });
            }
            return gives_up;
        }
        let until = self.shared.process.platform.now().saturating_add(worker.backoff(consecutive));
        self.thread.wait_for_until(S::leaving(), until);
        false
    }

    fn judge(&mut self, end: ScriptEnd) {
        if end == ScriptEnd::Unhealthy {
            self.due = Some(false);
        }
    }

    /// A regular thread serves at once.
    fn serves(&self) {
        if self.thread.changes(Event::Serve) {
            let (thread, worker) = (self.life.thread, self.shared.name_of(self.pool));
            self.shared.process.notices.tell(Notice::Booted { thread, worker });
        }
    }

    fn next_request(&self) -> Option<Begun<E::Request, E::Response>> {
        let number = self.pool.number()?;
        self.shared.next_request(&self.shared.queues[number], self.thread, self.life, self.pool)
    }

    fn settle(
        &mut self,
        id: u64,
        parcel: &Parcel<E::Request, E::Response>,
        response: Option<E::Response>,
        limit: Option<NonZero<u64>>,
    ) {
        let queue = &self.shared.queues[self.pool.number().unwrap_or_default()];
        self.shared.settle((queue, self.thread), id, self.life, parcel, response);
        self.served += 1;
        if limit.is_some_and(|limit| self.served >= limit.get()) {
            self.due = self.due.or(Some(true));
        }
    }
}

/// A request that a thread has begun to serve.
struct Begun<Q, A> {
    id: u64,
    request: Q,
    parcel: Parcel<Q, A>,
}

impl<E, P, S> Shared<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    /// Waits for a request that this thread may serve; `None` if it is to leave.
    fn next_request(
        &self,
        queue: &Queue<P, E::Request, E::Response>,
        thread: &Thread<P, E::Flags, S>,
        life: Life,
        pool: Pool,
    ) -> Option<Begun<E::Request, E::Response>> {
        let mut looks = S::looks_first();
        loop {
            let taken = looks.then(|| queue.take(life)).flatten();
            looks = true;
            let Some((id, parcel)) = taken else {
                if !thread.wait_for_work() {
                    return None;
                }
                continue;
            };
            if S::begin_request(thread) {
                // Only whoever has begun a request takes it out, and it begins once.
                let request = parcel.take_request()?;
                return Some(Begun { id, request, parcel });
            }
            if queue.with(|waiting| S::hand_back(waiting, id, life)) {
                self.process.notices.tell(Notice::HandedBack { thread: life.thread });
                self.poke(pool);
                if self.has_scaler() {
                    S::ask_again(&self.process.roster, pool);
                }
            }
            return None;
        }
    }

    fn settle(
        &self,
        (queue, thread): (&QueueOf<E, P>, &Thread<P, E::Flags, S>),
        id: u64,
        life: Life,
        parcel: &Parcel<E::Request, E::Response>,
        response: Option<E::Response>,
    ) {
        let settled = if response.is_some() { Settled::Answered } else { Settled::Unanswered };
        if let Some(response) = response {
            parcel.put_response(response);
        }
        queue.with(|waiting| waiting.settle(id, life, settled));
        let now = self.process.platform.now();
        thread.with(|lifecycle| lifecycle.end_request(now));
    }
}

/// Where a worker's script gets its requests.
struct WorkerRequests<'a, E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    shared: &'a Arc<Shared<E, P, S>>,
    queue: &'a Queue<P, E::Request, E::Response>,
    thread: &'a Thread<P, E::Flags, S>,
    life: Life,
    pool: Pool,
    limit: Option<NonZero<u64>>,
    served: u64,
    current: Option<(u64, ParcelOf<E, P>)>,
    booted: bool,
}

impl<E, P, S> WorkerRequests<'_, E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    /// Settles the request that is being served, if one is.
    fn finish(&mut self, response: Option<E::Response>) {
        if let Some((id, parcel)) = self.current.take() {
            self.shared.settle((self.queue, self.thread), id, self.life, &parcel, response);
            self.served += 1;
        }
    }
}

impl<E, P, S> Requests<E::Request, E::Response> for WorkerRequests<'_, E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    fn booted(&mut self) {
        if !std::mem::replace(&mut self.booted, true) && self.thread.changes(Event::Serve) {
            let (thread, worker) = (self.life.thread, self.shared.name_of(self.pool));
            self.shared.process.notices.tell(Notice::Booted { thread, worker });
        }
    }

    fn next(&mut self) -> Option<E::Request> {
        self.finish(None);
        self.booted();
        if self.limit.is_some_and(|limit| self.served >= limit.get()) {
            return None;
        }
        let begun = self.shared.next_request(self.queue, self.thread, self.life, self.pool)?;
        self.current = Some((begun.id, begun.parcel));
        Some(begun.request)
    }

    fn answer(&mut self, response: E::Response) {
        self.finish(Some(response));
    }
}
