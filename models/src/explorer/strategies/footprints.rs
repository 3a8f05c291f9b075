//! Footprints: which objects a thread may still touch, as far as a search has seen.
//!
//! An entry says up to which point of its own a thread was seen to announce an operation on an object while it had not joined
//! some other thread. So what a thread touches only at its beginning leaves its footprint once it is past that, and what it
//! touches only after it has joined a thread is no threat to what that thread does. Threads and objects are known by their
//! names, which do not depend on the order of creation, and have slots, numbered in the order in which they were seen.

use crate::explorer::view::{Access, Announcement, MOST_THREADS, Object, Thread, Threads, View};

/// A set of slots of threads.
pub type ThreadSlots = u64;

/// Programs with more objects than this have no footprints.
const MOST_OBJECTS: usize = 512;

/// The footprints of the threads of a program.
#[derive(Clone, Debug, Default)]
pub struct Footprints {
    threads: Vec<KnownThread>,
    objects: Vec<u64>,
    /// For each thread, object and thread that is not joined: see [`Footprints::reach`].
    reaches: Vec<Reach>,
    /// There are too many threads or objects: nothing is known.
    overflown: bool,
}

#[derive(Clone, Copy, Debug)]
struct KnownThread {
    name: u64,
    creators: ThreadSlots,
}

/// How far a thread gets and still touches an object: 0 if it never does, else its progress there and 1.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    /// In whatever way.
    any: u16,
    /// By an operation that may change it.
    change: u16,
}

impl Footprints {
    /// Whether nothing is known, because there are too many threads or objects.
    pub fn overflown(&self) -> bool {
        self.overflown
    }

    /// The threads that are known.
    pub fn threads(&self) -> ThreadSlots {
        u64::MAX.checked_shr((MOST_THREADS - self.threads.len()) as u32).unwrap_or(0)
    }

    /// Who was seen to create this thread.
    pub fn creators(&self, thread: usize) -> ThreadSlots {
        self.threads[thread].creators
    }

    /// Whether a thread that is as far as `progress` may touch the object, before it has joined either of the two
    /// threads, in a way that conflicts with this access.
    pub fn may_touch(
        &self,
        (thread, progress): (usize, u16),
        (object, access): (usize, Access),
        before: [usize; 2],
    ) -> bool {
        before.iter().all(|other| {
            let reach = self.reaches[self.place(thread, object, 1 + other)];
            let reach = if access == Access::Read { reach.change } else { reach.any };
            reach > progress
        })
    }

    /// The slot of a thread, which may be a new one; `None` if there are too many.
    fn thread(&mut self, name: u64) -> Option<usize> {
        if let Some(known) = self.threads.iter().position(|thread| thread.name == name) {
            return Some(known);
        }
        self.grow(self.threads.len() + 1, self.objects.len())?;
        self.threads.push(KnownThread { name, creators: 0 });
        Some(self.threads.len() - 1)
    }

    /// The slot of an object, which may be a new one; `None` if there are too many.
    fn object(&mut self, name: u64) -> Option<usize> {
        if let Some(known) = self.objects.iter().position(|&object| object == name) {
            return Some(known);
        }
        self.grow(self.threads.len(), self.objects.len() + 1)?;
        self.objects.push(name);
        Some(self.objects.len() - 1)
    }

    /// Where it is noted what a thread does to an object: in column 0 whatever it has joined, in column 1 + n while it has not
    /// joined the thread of slot n.
    fn place(&self, thread: usize, object: usize, column: usize) -> usize {
        (thread * self.objects.len() + object) * (self.threads.len() + 1) + column
    }

    /// Makes room. A thread that was not known was not joined by anybody who was seen.
    fn grow(&mut self, threads: usize, objects: usize) -> Option<()> {
        if threads > MOST_THREADS || objects > MOST_OBJECTS {
            *self = Self { overflown: true, ..Self::default() };
            return None;
        }
        let mut reaches = Vec::with_capacity(threads * objects * (threads + 1));
        for thread in 0..threads {
            for object in 0..objects {
                let known = thread < self.threads.len() && object < self.objects.len();
                let whatever = if known { self.place(thread, object, 0) } else { 0 };
                for column in 0..=threads {
                    let place = if column <= self.threads.len() { whatever + column } else { whatever };
                    reaches.push(if known { self.reaches[place] } else { Reach::default() });
                }
            }
        }
        self.reaches = reaches;
        Some(())
    }

    /// Takes in one touch; answers whether it was missing.
    fn note(&mut self, thread: (usize, u16), (object, access): (usize, Access), joined: ThreadSlots) -> bool {
        let (slot, progress) = thread;
        let reach = progress.saturating_add(1);
        let first = self.place(slot, object, 0);
        let mut missing = false;
        for column in 0..=self.threads.len() {
            if column > 0 && joined >> (column - 1) & 1 == 1 {
                continue;
            }
            let known = &mut self.reaches[first + column];
            missing |= known.any < reach;
            known.any = known.any.max(reach);
            if access == Access::Change {
                missing |= known.change < reach;
                known.change = known.change.max(reach);
            }
        }
        missing
    }
}

/// Follows an execution and holds every announcement that it sees against the footprints.
#[derive(Debug)]
pub struct Tracker {
    /// What is known. What was missing has been added.
    pub footprints: Footprints,
    /// Whether anything was missing.
    pub missing: bool,
    /// How far each thread was when it was last looked at.
    progress: [u16; MOST_THREADS],
    /// The threads whose present announcement has been seen.
    seen: Threads,
    /// The threads that have a slot in this execution.
    mapped: usize,
    present: ThreadSlots,
    threads: [Slot; MOST_THREADS],
    objects: Vec<Slot>,
    announced: [Option<Announced>; MOST_THREADS],
}

/// Slots are never given up, so that a name that has been looked up need not be again.
#[derive(Clone, Copy, Debug)]
struct Slot {
    name: u64,
    slot: usize,
}

const NO_SLOT: usize = usize::MAX;
const NONE: Slot = Slot { name: 0, slot: NO_SLOT };

/// What a thread has announced, by slots: the object, and the one that is changed besides.
#[derive(Clone, Copy, Debug)]
pub struct Announced {
    /// The object, and how it is used.
    pub first: (usize, Access),
    /// The one that is changed besides.
    pub also: Option<(usize, Access)>,
}

impl Tracker {
    /// Begins with these footprints.
    pub fn new(footprints: Footprints) -> Self {
        Self {
            footprints,
            missing: false,
            progress: [0; MOST_THREADS],
            seen: Threads::NONE,
            mapped: 0,
            present: 0,
            threads: [NONE; MOST_THREADS],
            objects: Vec::new(),
            announced: [None; MOST_THREADS],
        }
    }

    /// An execution begins.
    pub fn begin(&mut self) {
        self.progress.fill(0);
        self.seen = Threads::NONE;
        self.mapped = 0;
        self.present = 0;
    }

    /// A thread performs what it has announced.
    pub fn performs(&mut self, thread: Thread) {
        self.seen.remove(thread);
    }

    /// Sees all that is announced.
    pub fn look(&mut self, view: &impl View) {
        if self.footprints.overflown() {
            return;
        }
        if self.map_threads(view).is_none() || self.see_announcements(view).is_none() {
            self.missing = true;
        }
    }

    /// The slot of a thread, and how far it is.
    pub fn place_of(&self, thread: Thread) -> (usize, u16) {
        (self.threads[thread].slot, self.progress[thread])
    }

    /// The thread of this slot.
    ///
    /// # Panics
    /// If it has not been created yet.
    pub fn thread_of(&self, slot: usize) -> Thread {
        (0..self.mapped).find(|&thread| self.threads[thread].slot == slot).expect("it has been created")
    }

    /// What a thread has announced, if it has.
    pub fn announced(&self, thread: Thread) -> Option<Announced> {
        self.announced[thread].filter(|_| self.seen.contains(thread))
    }

    /// The threads that have been created.
    pub fn present(&self) -> ThreadSlots {
        self.present
    }

    /// Finds the slots of the threads that are new.
    fn map_threads(&mut self, view: &impl View) -> Option<()> {
        while self.mapped < view.threads() {
            let thread = self.mapped;
            let name = view.name(thread);
            let place = &mut self.threads[thread];
            if place.name != name || place.slot == NO_SLOT {
                let known = self.footprints.threads.len();
                *place = Slot { name, slot: self.footprints.thread(name)? };
                self.missing |= known < self.footprints.threads.len();
            }
            let slot = place.slot;
            let creator = view.creator(thread).map_or(0, |creator| 1 << self.threads[creator].slot);
            let creators = &mut self.footprints.threads[slot].creators;
            self.missing |= *creators & creator != creator;
            *creators |= creator;
            self.present |= 1 << slot;
            self.mapped += 1;
        }
        Some(())
    }

    /// Notes what was announced since the last look.
    fn see_announcements(&mut self, view: &impl View) -> Option<()> {
        for thread in view.unfinished().without(self.seen).iter() {
            self.progress[thread] = view.progress(thread);
            let Some(Announcement { object, access, also }) = view.announced(thread) else { continue };
            let first = (self.object(view, object)?, access);
            let also = match also {
                Some(also) => Some((self.object(view, also)?, Access::Change)),
                None => None,
            };
            self.announced[thread] = Some(Announced { first, also });
            self.seen.insert(thread);
            let mut joined = 0;
            for other in view.joined(thread).iter() {
                joined |= 1 << self.threads[other].slot;
            }
            let place = self.place_of(thread);
            self.missing |= self.footprints.note(place, first, joined);
            if let Some(also) = also {
                self.missing |= self.footprints.note(place, also, joined);
            }
        }
        Some(())
    }

    /// The slot of an object.
    fn object(&mut self, view: &impl View, object: Object) -> Option<usize> {
        let (name, number) = (view.object_name(object), object as usize);
        if self.objects.len() <= number {
            self.objects.resize(number + 1, NONE);
        }
        let place = &mut self.objects[number];
        if place.name != name || place.slot == NO_SLOT {
            let known = self.footprints.objects.len();
            *place = Slot { name, slot: self.footprints.object(name)? };
            self.missing |= known < self.footprints.objects.len();
        }
        Some(place.slot)
    }
}
