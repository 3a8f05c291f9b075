//! Who serves where: the one place that knows which index has a thread, for which worker, and whether the runtime is up.
//!
//! Upstream keeps `worker.threads`, `regularThreads`, `autoScaledThreads` and `isRunning` apart, each with a lock of its own.
//! Here they are one small value in one monitor, and each question ("how many serve this worker", "which index is free") is
//! answered from the same list of seats. So no list can be left uncleaned while another is cleaned, and no lock is held while
//! somebody waits for a thread.
//!
//! A seat is one index:
//!
//! | seat | who sits there | left by |
//! |---|---|---|
//! | free | nobody; the OS thread of the life before has ended | a claim |
//! | taken | a thread that serves, or is about to | its thread at its exit; an abandonment |
//! | quarantined | a thread that was abandoned and has not exited | its thread at its exit |
//!
//! A seat counts its lives. Whoever changes a seat says which life it means, so nobody frees or quarantines a successor.

/// How far the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Nothing runs, and an init may begin.
    Down,
    /// An init is under way.
    Starting,
    /// Requests are served.
    Up,
    /// A shutdown is under way.
    Stopping,
    /// A shutdown found threads lingering, and did not tear the engine down. No init may begin.
    TeardownSkipped,
    /// The teardown that was skipped is being made.
    Completing,
}

/// What a thread serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    /// Nothing, for now.
    Inactive,
    /// Requests that are for no worker.
    Regular,
    /// The worker with this number.
    Worker(u32),
}

/// One index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seat {
    /// How many threads have had it.
    life: u32,
    usage: Usage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Usage {
    Free,
    Taken {
        pool: Pool,
        /// What it is about to serve, from the request until its thread has taken it up.
        next: Option<Pool>,
        /// Whether a scaler put it there.
        scaled: bool,
    },
    Quarantined,
}

/// Which thread: an index, and which of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// The index.
    pub thread: usize,
    /// Counted from 1.
    pub nth: u32,
}

/// A thread that serves, or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Which.
    pub life: Life,
    /// What it serves.
    pub pool: Pool,
    /// Whether a scaler put it there.
    pub scaled: bool,
}

/// A place that was claimed for a thread, and what has to be done to fill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// A thread has to be booted.
    Boot(Life),
    /// An inactive thread has to be asked for a transition.
    Convert(Life),
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoPlace {
    /// The runtime is not up.
    NotRunning,
    /// The worker has as many threads as it may.
    PoolFull,
    /// There are as many threads as there may be.
    RuntimeFull,
    /// There are fewer threads than there may be, but every other index waits for an abandoned thread to exit.
    QuarantineFull,
}

/// How many threads there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Of each pool: regular threads first, then each worker's.
    pub most: Vec<u32>,
    /// In all.
    pub most_in_all: u32,
}

/// The value. See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Roster {
    phase: Phase,
    /// Which init this is, counted from 1.
    generation: u32,
    seats: Vec<Seat>,
    /// How many threads each pool is to have when no scaler adds any.
    wanted: Vec<u32>,
    /// In which pools a request waits for longer than it should.
    stalled: Vec<bool>,
}

impl Pool {
    /// Its number among the pools that serve; `None` for the inactive threads.
    pub fn number(self) -> Option<usize> {
        match self {
            Self::Inactive => None,
            Self::Regular => Some(0),
            Self::Worker(nth) => Some(nth as usize + 1),
        }
    }

    fn numbered(number: usize) -> Self {
        number.checked_sub(1).map_or(Self::Regular, |nth| Self::Worker(nth as u32))
    }
}

impl Roster {
    /// Before the first init.
    pub fn new() -> Self {
        Self { phase: Phase::Down, generation: 0, seats: Vec::new(), wanted: Vec::new(), stalled: Vec::new() }
    }

    /// How far the process is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Goes on to another phase. For the steps of init and shutdown.
    pub fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
        if !self.admits_threads() {
            // Who sits where matters no more; what is left over exits by itself.
            self.seats.clear();
        }
    }

    /// An init begins, if it may; answers its number.
    pub fn begin_init(&mut self) -> Option<u32> {
        (self.phase == Phase::Down).then(|| {
            self.phase = Phase::Starting;
            self.generation += 1;
            self.generation
        })
    }

    /// Sets up so many free seats, and how many threads each pool is to have.
    pub fn furnish(&mut self, seats: usize, wanted: &[u32]) {
        self.seats = vec![Seat { life: 0, usage: Usage::Free }; seats];
        self.wanted = wanted.to_vec();
        self.stalled = vec![false; wanted.len()];
    }

    /// Whether this init's runtime is up.
    pub fn is_up(&self, generation: u32) -> bool {
        self.phase == Phase::Up && self.generation == generation
    }

    fn admits_threads(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Up)
    }

    /// Claims what is missing in every pool, as far as there are places.
    pub fn fill(&mut self, generation: u32, rules: &Rules) -> Vec<Claim> {
        let mut claims = Vec::new();
        if self.generation != generation || !self.admits_threads() {
            return claims;
        }
        for number in 0..self.wanted.len() {
            let pool = Pool::numbered(number);
            while self.count(pool) < self.wanted[number] {
                match self.place(pool, false, rules) {
                    Ok(claim) => claims.push(claim),
                    Err(_) => break,
                }
            }
        }
        claims
    }

    /// A scaler claims a place in a pool.
    ///
    /// # Errors
    /// If there is none.
    pub fn claim(&mut self, generation: u32, pool: Pool, rules: &Rules) -> Result<Claim, NoPlace> {
        if !self.is_up(generation) {
            return Err(NoPlace::NotRunning);
        }
        let most = pool.number().and_then(|number| rules.most.get(number)).copied().unwrap_or(0);
        if self.count(pool) >= most {
            return Err(NoPlace::PoolFull);
        }
        self.place(pool, true, rules)
    }

    /// An inactive thread is taken first, then a free seat.
    fn place(&mut self, pool: Pool, by_scaler: bool, rules: &Rules) -> Result<Claim, NoPlace> {
        let idle = |seat: &Seat| matches!(seat.usage, Usage::Taken { pool: Pool::Inactive, next: None, .. });
        if let Some(thread) = self.seats.iter().position(idle) {
            let seat = &mut self.seats[thread];
            seat.usage = Usage::Taken { pool: Pool::Inactive, next: Some(pool), scaled: by_scaler };
            return Ok(Claim::Convert(Life { thread, nth: seat.life }));
        }
        let taken = self.seats.iter().filter(|seat| matches!(seat.usage, Usage::Taken { .. })).count();
        if taken >= rules.most_in_all as usize {
            return Err(NoPlace::RuntimeFull);
        }
        let free = self.seats.iter().position(|seat| seat.usage == Usage::Free);
        let thread = free.ok_or(NoPlace::QuarantineFull)?;
        let seat = &mut self.seats[thread];
        seat.life += 1;
        seat.usage = Usage::Taken { pool: Pool::Inactive, next: Some(pool), scaled: by_scaler };
        Ok(Claim::Boot(Life { thread, nth: seat.life }))
    }

    /// A claim came to nothing: an inactive thread stays what it was.
    pub fn unclaim(&mut self, generation: u32, life: Life) {
        if let Some(Usage::Taken { next, .. }) = self.usage_of(generation, life) {
            *next = None;
        }
    }

    /// A scaled thread is to become inactive; `false` if it has something else before it, is gone, or is one of those that its pool
    /// is to have: where a thread was abandoned, or has given up, a scaled one stands in for it.
    pub fn retire(&mut self, generation: u32, life: Life) -> bool {
        let pool = match self.usage_of(generation, life) {
            Some(Usage::Taken { pool, next: None, scaled: true }) => *pool,
            _ => return false,
        };
        let wanted = pool.number().and_then(|number| self.wanted.get(number)).copied().unwrap_or(0);
        if self.count(pool) <= wanted {
            return false;
        }
        if let Some(Usage::Taken { next, .. }) = self.usage_of(generation, life) {
            *next = Some(Pool::Inactive);
        }
        true
    }

    /// The thread takes up what it is to serve, before it starts to; `None` if it is to exit, because the runtime is not up any
    /// more or somebody has given up on it.
    pub fn admit(&mut self, generation: u32, life: Life) -> Option<Pool> {
        if !self.admits_threads() {
            return None;
        }
        match self.usage_of(generation, life)? {
            Usage::Taken { pool, next, .. } => {
                *pool = next.take().unwrap_or(*pool);
                Some(*pool)
            }
            Usage::Free | Usage::Quarantined => None,
        }
    }

    /// Somebody has given up on the thread: it leaves every list at once, and its index waits for its exit. Answers what it served;
    /// `None` if it has left by itself.
    pub fn quarantine(&mut self, generation: u32, life: Life) -> Option<Pool> {
        let usage = self.usage_of(generation, life)?;
        match std::mem::replace(usage, Usage::Quarantined) {
            Usage::Taken { pool, .. } => Some(pool),
            Usage::Free | Usage::Quarantined => None,
        }
    }

    /// What the thread serves; `None` if it was abandoned, or has left.
    pub fn pool_of(&mut self, generation: u32, life: Life) -> Option<Pool> {
        match self.usage_of(generation, life)? {
            Usage::Taken { pool, .. } => Some(*pool),
            Usage::Free | Usage::Quarantined => None,
        }
    }

    /// The thread's OS thread is about to end: its index is free again. Answers whether it was quarantined.
    pub fn depart(&mut self, generation: u32, life: Life) -> bool {
        let Some(usage) = self.usage_of(generation, life) else { return false };
        std::mem::replace(usage, Usage::Free) == Usage::Quarantined
    }

    /// The thread's pool is to do without it, because what it serves cannot be booted.
    pub fn want_less(&mut self, generation: u32, life: Life) {
        if let Some(Usage::Taken { pool, .. }) = self.usage_of(generation, life).copied() {
            let number = pool.number();
            if let Some(wanted) = number.and_then(|number| self.wanted.get_mut(number)) {
                *wanted = wanted.saturating_sub(1);
            }
        }
    }

    /// The seat's usage, if it is still this life's.
    fn usage_of(&mut self, generation: u32, life: Life) -> Option<&mut Usage> {
        let is_current = self.generation == generation;
        let seat = self.seats.get_mut(life.thread).filter(|seat| is_current && seat.life == life.nth)?;
        (seat.usage != Usage::Free).then_some(&mut seat.usage)
    }

    /// Every thread that serves, or is about to.
    pub fn members(&self) -> Vec<Member> {
        let member = |(thread, seat): (usize, &Seat)| match seat.usage {
            Usage::Taken { pool, scaled, .. } => {
                Some(Member { life: Life { thread, nth: seat.life }, pool, scaled })
            }
            Usage::Free | Usage::Quarantined => None,
        };
        self.seats.iter().enumerate().filter_map(member).collect()
    }

    /// How many abandoned threads have not exited.
    pub fn quarantined(&self) -> usize {
        self.seats.iter().filter(|seat| seat.usage == Usage::Quarantined).count()
    }

    /// How many threads serve a pool, or are about to.
    pub fn count(&self, of: Pool) -> u32 {
        let serves = |seat: &&Seat| matches!(seat.usage, Usage::Taken { pool, next, .. } if next.unwrap_or(pool) == of);
        self.seats.iter().filter(serves).count() as u32
    }

    /// By how many threads the pools fall short of what they are to have.
    pub fn missing(&self) -> u32 {
        let wanted = self.wanted.iter().enumerate();
        wanted.map(|(number, wanted)| wanted.saturating_sub(self.count(Pool::numbered(number)))).sum()
    }

    /// A request of this pool waits for longer than it should.
    pub fn stall(&mut self, pool: Pool) {
        if let Some(stalled) = pool.number().and_then(|number| self.stalled.get_mut(number)) {
            *stalled = true;
        }
    }

    /// The first pool in which a request waits too long; asked for once.
    pub fn take_stalled(&mut self) -> Option<Pool> {
        let number = self.stalled.iter().position(|stalled| *stalled)?;
        self.stalled[number] = false;
        Some(Pool::numbered(number))
    }
}

impl Default for Roster {
    fn default() -> Self {
        Self::new()
    }
}
