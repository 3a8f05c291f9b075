//! Persistent sets beneath sleep sets: at a state only a part of the enabled threads is explored, if what the others can do
//! has nothing to do with it; the rest waits.
//!
//! **The set.** A set T of threads that have not finished, at least one of them enabled, which is closed: for every member
//! that has announced an operation, whoever may touch an object of it is a member; whom a member waits to join is a member;
//! and who can still create a thread that would be one is a member. As long as no member acts nobody touches what the members
//! have announced: whoever could is a member, and cannot begin to act either. A disabled member stays disabled, because that
//! depends on its object; a joining one because whom it joins has not acted. So whatever the others do, each enabled member can
//! still act, with the same effect as if it had come first. A complete execution holds an action of a member, for otherwise
//! an enabled one would be left over. Therefore, for every terminal state d that can be reached from s, there is an enabled
//! member t such that d can be reached from s by way of t. Sleepers that are members stay asleep.
//!
//! A wait that ends when nobody else can go on does not end so before a member acts, because an enabled one is left until then. When it
//! does, it is alone, and there is nothing to choose. That it has ended so, and nobody has gone on since, is part of a state's key.
//!
//! **With sleep sets.** No more than that is needed. Claim: from a state s with sleep set Z, the search reaches every
//! terminal state d that s can reach, unless some z in Z can begin a way from s to d. By induction on the length of the longest
//! execution: a member t begins a way to d. If such a t is in Z, there is nothing to show. Otherwise take the first t explored
//! that begins one. Below it d is found, or some z that stayed asleep begins a way to d from there; z commutes with t in s, so
//! z begins a way to d from s. It was in Z, and there is nothing to show, or was explored before t, which was the first. It
//! does not matter that commutation is judged by values and in this state, while the set is judged by objects.
//!
//! **Footprints are seen, not known.** Who may touch what is what was seen ([`super::footprints`]), and a search is worth
//! nothing until it has held every announcement at every state that it visited against that, and found nothing missing. That is
//! enough. Consider the system in which an operation outside of the footprints is never enabled. Whether an announced operation
//! is outside depends on its thread alone: on its own steps so far, on whom it has joined, and on who created it. So the sets are right in that
//! system, and a search that meets no such operation searches that system: it reaches all of its terminal states. If such an
//! operation could be announced at all, the execution up to that point would be one of that system, and so would all that
//! follows without it; it would still be announced at the end, which is a terminal state of that system. The search would have
//! seen it there.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::footprints::{Footprints, ThreadSlots, Tracker};
use super::remembered::{Entered, Remembered};
use super::{Commutation, Subtree, still_asleep};
use crate::explorer::view::{Access, MOST_THREADS, Strategy, Thread, Threads, View};

/// How the sets are closed. Sound as provided: only the seeded mistakes of [`super::mistakes`] leave something out.
pub trait Closure: Send {
    /// Whether threads that wait to join another one can become members.
    const JOINING: bool = true;
    /// Whether those who can still create a thread answer for what it may touch.
    const CHILDREN: bool = true;
    /// Whether members that are disabled draw in others.
    const DISABLED: bool = true;
    /// Whether the footprints are held against what is announced.
    const VERIFIED: bool = true;
    /// Whether states that were entered before are left out.
    const REMEMBERS: bool = false;
    /// What is looked at of their keys.
    const KEY: u128 = u128::MAX;
}

/// The closure as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Sound;

impl Closure for Sound {}

/// The same, and states that were entered before are left out: see [`super::remembered`].
#[derive(Clone, Copy, Debug)]
pub struct Remembering;

impl Closure for Remembering {
    const REMEMBERS: bool = true;
}

/// What the parts of one pass over the tree share.
#[derive(Debug, Default)]
pub struct Pass {
    /// What is known when it begins.
    pub footprints: Footprints,
    /// Where it has been.
    remembered: Remembered,
    /// The lowest part in which something was missing: higher ones are of no interest then.
    void: AtomicUsize,
}

impl Pass {
    /// A pass with these footprints.
    pub fn new(footprints: Footprints) -> Self {
        Self { footprints, remembered: Remembered::new(), void: AtomicUsize::new(usize::MAX) }
    }
}

/// Depth-first search with persistent sets and sleep sets, of one part of the tree.
#[derive(Debug)]
pub struct Persistent<C = Sound> {
    prefix: Vec<Thread>,
    path: Vec<Node>,
    depth: usize,
    /// Who is asleep at the next state that is new.
    asleep: Threads,
    executions: u64,
    /// When something is missing, the search goes on a little to see what else is.
    stops_at: u64,
    tracker: Tracker,
    pass: Arc<Pass>,
    number: usize,
    closure: PhantomData<C>,
}

/// A state on the path of the present execution.
#[derive(Debug)]
struct Node {
    chosen: Thread,
    left: Threads,
    /// Asleep when the state was entered, or explored since.
    asleep: Threads,
}

/// A part in which something was missing goes on for so many executions, and as many again as it had made.
const EXECUTIONS_MORE: u64 = 100;

impl<C: Closure> Persistent<C> {
    /// The search of the part with this number.
    pub fn below(subtree: Subtree, pass: Arc<Pass>, number: usize) -> Self {
        Self {
            prefix: subtree.prefix,
            path: Vec::new(),
            depth: 0,
            asleep: subtree.asleep,
            executions: 0,
            stops_at: u64::MAX,
            tracker: Tracker::new(pass.footprints.clone()),
            pass,
            number,
            closure: PhantomData,
        }
    }

    /// The footprints with what was missing, if anything was: all that was searched is void then.
    pub fn missing(self) -> Option<Footprints> {
        (C::VERIFIED && self.tracker.missing).then_some(self.tracker.footprints)
    }

    /// Whether the search has gone on long enough after it found something missing, here or in a lower part.
    fn is_void(&mut self) -> bool {
        if !C::VERIFIED {
            return false;
        }
        if self.tracker.missing && self.stops_at == u64::MAX {
            self.pass.void.fetch_min(self.number, Ordering::Relaxed);
            self.stops_at = self.executions * 2 + EXECUTIONS_MORE;
        }
        self.executions >= self.stops_at || self.pass.void.load(Ordering::Relaxed) < self.number
    }

    /// What is left to explore at the state that is entered.
    fn entered(&self, view: &impl View) -> Entered {
        // A part that has come upon a thread which was not known has given it a slot of its own. Its pass is void.
        if !C::REMEMBERS || self.tracker.footprints.overflown() || self.tracker.missing {
            return Entered::New;
        }
        let asleep = self.asleep.iter().fold(0, |slots, thread| slots | 1 << self.tracker.place_of(thread).0);
        self.pass.remembered.enter(view.state_key() & C::KEY, asleep)
    }

    /// The threads of these slots.
    fn awake_of(&self, slots: ThreadSlots) -> Threads {
        let mut threads = Threads::NONE;
        for slot in Threads(slots).iter() {
            threads.insert(self.tracker.thread_of(slot));
        }
        threads
    }

    /// Who of these is explored first: the thread that ran last goes on if it can, and otherwise the youngest runs. Any order
    /// is right. By this one fewer executions are begun that must be cut off later, and that is all that is known of it.
    fn first_of(&self, left: Threads) -> Option<Thread> {
        let latest = self.path.last().map(|node| node.chosen).or(self.prefix.last().copied());
        latest.filter(|&latest| left.contains(latest)).or(left.last())
    }

    /// The enabled threads that are to be explored, whether they are asleep or not: of the closures of the enabled threads
    /// the one that has the fewest awake.
    fn persistent_set(&self, view: &impl View) -> Threads {
        let enabled = view.enabled();
        let mut best = enabled;
        let mut fewest = enabled.without(self.asleep).len();
        if enabled.len() == 1 || self.tracker.footprints.overflown() {
            return enabled;
        }
        let closing = Closing::<C>::at(view, &self.tracker);
        for start in enabled.iter() {
            if let Some(set) = closing.closed(view, start, |set| awake(view, set, self.asleep) < fewest) {
                best = Threads(set.0 & enabled.0);
                fewest = awake(view, set, self.asleep);
            }
        }
        best
    }
}

/// How many of a set would be explored.
fn awake(view: &impl View, set: Threads, asleep: Threads) -> usize {
    Threads(set.0 & view.enabled().0).without(asleep).len()
}

/// The closures at one state.
struct Closing<'a, C> {
    tracker: &'a Tracker,
    unfinished: Threads,
    /// The threads that have not been created yet, and can be.
    unborn: ThreadSlots,
    /// For the slot of each of them, the living threads that can begin the chain of creations that ends with it.
    creators: [Threads; MOST_THREADS],
    closure: PhantomData<C>,
}

impl<'a, C: Closure> Closing<'a, C> {
    fn at(view: &impl View, tracker: &'a Tracker) -> Self {
        let unfinished = view.unfinished();
        let absent = tracker.footprints.threads() & !tracker.present();
        let mut closing = Self {
            tracker,
            unfinished,
            unborn: 0,
            creators: [Threads::NONE; MOST_THREADS],
            closure: PhantomData,
        };
        if C::CHILDREN && absent != 0 {
            closing.find_unborn(absent);
        }
        closing
    }

    /// Follows the creators of what does not exist up to the first ones that do.
    fn find_unborn(&mut self, absent: ThreadSlots) {
        for slot in Threads(absent).iter() {
            let mut todo = Threads::only(slot);
            let mut done = Threads::NONE;
            while let Some(child) = todo.first() {
                todo.remove(child);
                done.insert(child);
                let creators = Threads(self.tracker.footprints.creators(child));
                todo.0 |= creators.0 & absent & !done.0;
                for creator in creators.without(Threads(absent)).iter() {
                    let creator = self.tracker.thread_of(creator);
                    if self.unfinished.contains(creator) {
                        self.creators[slot].insert(creator);
                    }
                }
            }
            if !self.creators[slot].is_empty() {
                self.unborn |= 1 << slot;
            }
        }
    }

    /// The smallest closed set with this thread in it; `None` as soon as `small` says of a part of it that it is too large.
    fn closed(&self, view: &impl View, start: Thread, small: impl Fn(Threads) -> bool) -> Option<Threads> {
        let mut set = Threads::only(start);
        let mut todo = set;
        while let Some(member) = todo.first() {
            todo.remove(member);
            let drawn_in = self.drawn_in(view, start, member, set).without(set);
            set.0 |= drawn_in.0;
            todo.0 |= drawn_in.0;
            if !small(set) {
                return None;
            }
        }
        Some(set)
    }

    /// Who must be in a set because of this member. Those that are in it already may be left out.
    fn drawn_in(&self, view: &impl View, start: Thread, member: Thread, set: Threads) -> Threads {
        let Some(announced) = self.tracker.announced(member) else {
            // It does nothing before whom it joins has finished.
            return view.joining(member).map_or(self.unfinished, Threads::only);
        };
        if !C::DISABLED && !view.enabled().contains(member) {
            return Threads::NONE;
        }
        let slot_of = |thread| self.tracker.place_of(thread).0;
        // Nobody joins a member before a member has acted.
        let before = [slot_of(start), slot_of(member)];
        let mut drawn_in = self.touching(announced.first, before, set);
        if let Some(also) = announced.also {
            drawn_in.0 |= self.touching(also, before, set).0;
        }
        if C::JOINING {
            return drawn_in;
        }
        let waits = drawn_in.iter().filter(|&thread| view.joining(thread).is_some());
        waits.fold(drawn_in, |set, thread| set.without(Threads::only(thread)))
    }

    /// Who may touch an object before it has joined one of two threads, or create who may; but for those in `set`.
    fn touching(&self, what: (usize, Access), before: [usize; 2], set: Threads) -> Threads {
        let footprints = &self.tracker.footprints;
        let mut touching = Threads::NONE;
        for thread in self.unfinished.without(set).iter() {
            if footprints.may_touch(self.tracker.place_of(thread), what, before) {
                touching.insert(thread);
            }
        }
        for unborn in Threads(self.unborn).iter() {
            if footprints.may_touch((unborn, 0), what, before) {
                touching.0 |= self.creators[unborn].0;
            }
        }
        touching
    }
}

impl<C: Closure> Strategy for Persistent<C> {
    fn begin(&mut self) -> bool {
        if self.is_void() {
            return false;
        }
        self.depth = 0;
        self.tracker.begin();
        self.executions += 1;
        if self.executions == 1 {
            return true;
        }
        while let Some(node) = self.path.last_mut() {
            node.asleep.insert(node.chosen);
            if let Some(next) = node.left.last() {
                node.left.remove(next);
                node.chosen = next;
                return true;
            }
            self.path.pop();
        }
        false
    }

    fn known(&mut self) -> Option<Thread> {
        let known = match self.depth.checked_sub(self.prefix.len()) {
            // The first execution sees what is announced on the way.
            None if self.executions == 1 => return None,
            None => self.prefix[self.depth],
            // The last node is where this execution leaves the one before: who stays asleep there must be looked at.
            Some(below) if below + 1 < self.path.len() => self.path[below].chosen,
            Some(_) => return None,
        };
        self.depth += 1;
        self.tracker.performs(known);
        Some(known)
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        let chosen = if let Some(&given) = self.prefix.get(self.depth) {
            self.tracker.look(view);
            given
        } else {
            if self.depth - self.prefix.len() == self.path.len() {
                self.tracker.look(view);
                let mut left = match self.entered(view) {
                    Entered::New => self.persistent_set(view).without(self.asleep),
                    Entered::Covered => return None,
                    Entered::Only(slots) => self.awake_of(slots),
                };
                let chosen = self.first_of(left)?;
                left.remove(chosen);
                self.path.push(Node { chosen, left, asleep: self.asleep });
            }
            let node = self.path.last().expect("there is a node for this state");
            self.asleep = still_asleep::<Commutation>(view, node.chosen, node.asleep);
            node.chosen
        };
        self.depth += 1;
        self.tracker.performs(chosen);
        Some(chosen)
    }

    fn end(&mut self, view: &impl View) {
        self.tracker.look(view);
    }
}
