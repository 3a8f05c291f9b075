//! Scenarios of a seed.

use super::random::Random;
use super::scenario::{Call, Op, Policy, Quirk, Quirks, Scenario, Schedule, Shape, Site};

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Faults {
    /// Nothing, and the clock never moves while somebody can run.
    None,
    /// What a bad week brings.
    Some,
    /// As much as a run can take.
    Many,
}

impl Faults {
    /// Every level.
    pub const ALL: [Self; 3] = [Self::None, Self::Some, Self::Many];

    /// The name that the command line uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Some => "some",
            Self::Many => "many",
        }
    }
}

impl std::str::FromStr for Faults {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|level| level.name() == name);
        found.ok_or_else(|| format!("unknown level of faults '{name}'; the levels are none, some, many"))
    }
}

/// What a campaign asks of each of its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The most PHP threads at the start.
    pub threads: u32,
    /// How much goes wrong.
    pub faults: Faults,
    /// Virtual hours under load; without it a run is one short life.
    pub hours: Option<u32>,
}

const SHAPE: u64 = 101;
const OPS: u64 = 102;
const RATES: u64 = 103;
const SCHEDULE: u64 = 104;

/// The scenario of a seed.
pub fn scenario(seed: u64, wish: Wish) -> Scenario {
    let mut random = Random::of(seed, SHAPE, 0);
    let shapes = match wish.hours {
        None => (0..2).map(|_| shape(&mut random, wish.threads)).collect(),
        Some(_) => vec![large(&mut random, wish.threads)],
    };
    let mut random = Random::of(seed, OPS, 0);
    let ops = match wish.hours {
        None => life(&mut random),
        Some(hours) => load(&mut random, hours),
    };
    let quirks = Quirks::Drawn { per_mille: rates(&mut Random::of(seed, RATES, 0), wish) };
    let schedule = schedule(&mut Random::of(seed, SCHEDULE, 0), wish);
    Scenario { seed, shapes, ops, quirks, schedule }
}

fn shape(random: &mut Random, most: u32) -> Shape {
    // Mostly small: what can happen happens among few.
    let most = u64::from(most.max(1));
    let threads = if random.one_in(4) { random.within(1, most) } else { random.within(1, most.min(3)) };
    let workers = match random.below(8) {
        0 => 0,
        1..4 => random.within(0, threads),
        _ => threads,
    };
    Shape {
        workers: workers as u32,
        regular: (threads - workers) as u32,
        extra: random.pick(&[0, 0, 1, 2]),
        quarantined: random.pick(&[0, 1, threads as u32, threads as u32]),
        grace_ms: random.pick(&[1, 10, 500, 5_000]),
        kill_ms: random.pick(&[10, 100, 1_000, 5_000]),
        boot_ms: random.pick(&[50, 1_000, 5_000]),
        teardown_ms: random.pick(&[1, 100, 5_000]),
        max_wait_ms: random.pick(&[20, 1_000, 15_000]),
        idle_ms: random.pick(&[50, 5_000]),
        scales: random.one_in(2),
        max_requests: random.pick(&[0, 0, 1, 3]),
        max_queue: random.pick(&[0, 0, 1, 5]),
        max_failures: random.pick(&[1, 2, 6]),
    }
}

fn large(random: &mut Random, threads: u32) -> Shape {
    let threads = threads.max(2);
    let workers = threads * 3 / 4;
    Shape {
        workers,
        regular: threads - workers,
        extra: threads / 8,
        quarantined: threads,
        grace_ms: 5_000,
        kill_ms: 5_000,
        boot_ms: 30_000,
        teardown_ms: 5_000,
        max_wait_ms: 15_000,
        idle_ms: 5_000,
        scales: true,
        max_requests: random.pick(&[0, 500]),
        max_queue: 0,
        max_failures: 6,
    }
}

/// A life: it begins with an init, and a few callers do what they like.
fn life(random: &mut Random) -> Vec<Op> {
    let callers = random.within(1, 3) as u32;
    let calls = random.within(3, 14);
    let mut ops = vec![Op { caller: 0, pause_ms: 0, call: Call::Init(0) }];
    for _ in 0..calls {
        let call = match random.below(20) {
            0..7 => Call::Dispatch { worker: !random.one_in(3) },
            7..12 => Call::Restart,
            12 => Call::ScaleUp { worker: !random.one_in(3) },
            13 => Call::ScaleDown,
            14..16 => Call::ShutDown,
            16..18 => Call::Init(random.below(2) as u32),
            18 => Call::CompleteTeardown,
            _ => Call::LetGo,
        };
        let pause_ms = random.pick(&[0, 0, 1, 5, 20, 500, 6_000]);
        ops.push(Op { caller: random.below(u64::from(callers)) as u32, pause_ms, call });
    }
    ops
}

/// Load for hours: a request every second or so, a restart a minute, and now and then a shutdown with an init after it.
fn load(random: &mut Random, hours: u32) -> Vec<Op> {
    let op = |caller, pause_ms, call| Op { caller, pause_ms, call };
    let mut ops = vec![op(0, 0, Call::Init(0))];
    for minute in 0..hours * 60 {
        for _ in 0..60 {
            let worker = !random.one_in(4);
            ops.push(op(1, random.within(100, 1_900) as u32, Call::Dispatch { worker }));
        }
        ops.push(op(0, 60_000, Call::Restart));
        match minute % 60 {
            20 => ops.push(op(2, 3_600_000, Call::ScaleUp { worker: true })),
            40 => ops.push(op(2, 0, Call::ScaleDown)),
            // What is stuck comes back now and then, or a quarantine would fill up once and stay full.
            10 | 30 | 50 => ops.push(op(0, 0, Call::LetGo)),
            // A boot that fails fails an init of so many threads: it is tried again.
            5 | 15 | 25 | 35 | 45 | 55 => {
                ops.push(op(0, 0, Call::CompleteTeardown));
                ops.push(op(0, 0, Call::Init(0)));
            }
            59 if minute % 240 == 239 => {
                ops.push(op(0, 0, Call::ShutDown));
                ops.push(op(0, 60_000, Call::CompleteTeardown));
                ops.push(op(0, 0, Call::Init(0)));
            }
            _ => {}
        }
    }
    ops
}

/// How often each thing goes wrong, in 1,000, in the order of [`Site::ALL`].
fn rates(random: &mut Random, wish: Wish) -> Vec<u32> {
    let of = |site, random: &mut Random| match (wish.faults, wish.hours) {
        (Faults::None, _) => 0,
        // A life of days cannot have a wrong boot in four.
        (_, Some(_)) => match site {
            Site::Request => 2,
            Site::Wake | Site::Spawn | Site::Notice | Site::Boot => 5,
            Site::StartUp => 0,
            _ => 1,
        },
        (Faults::Some, None) => match site {
            Site::Request => random.pick(&[0, 100, 400, 800]),
            Site::Boot => random.pick(&[0, 0, 50, 300]),
            Site::Notice | Site::Sleep => random.pick(&[0, 0, 20]),
            _ => random.pick(&[0, 0, 20, 200]),
        },
        (Faults::Many, None) => match site {
            Site::Request => random.pick(&[200, 600, 1_000]),
            Site::Sleep => random.pick(&[0, 50]),
            _ => random.pick(&[0, 50, 200, 500]),
        },
    };
    Site::ALL.into_iter().map(|site| of(site, random)).collect()
}

fn schedule(random: &mut Random, wish: Wish) -> Schedule {
    let policy = match (random.below(10), wish.hours) {
        (_, Some(_)) => Policy::Switches(64),
        (0, _) => Policy::Calm,
        (1..4, _) => Policy::Switches(random.pick(&[1, 2])),
        (4..7, _) => Policy::Switches(random.pick(&[4, 16, 64])),
        _ => Policy::Priorities(random.pick(&[10, 30, 100])),
    };
    let jump_one_in = match (wish.faults, wish.hours) {
        (Faults::None, _) => 0,
        (_, Some(_)) => 100_000,
        (Faults::Some, None) => random.pick(&[0, 0, 200, 50]),
        (Faults::Many, None) => random.pick(&[0, 200, 30]),
    };
    Schedule::Drawn { seed: random.number(), policy, jump_one_in }
}

/// Something that can go wrong at a site.
pub(super) fn quirk(site: Site, random: &mut Random) -> Quirk {
    let short = random.pick(&[1, 20, 300]);
    // How long something is stuck: over before the grace is, or long after, or for good.
    let stuck = random.pick(&[Some(30), Some(2_000), Some(8_000), Some(20_000), None, None]);
    match site {
        Site::StartUp => random.pick(&[Quirk::Fails, Quirk::Takes(short), Quirk::Hangs(Some(20_000))]),
        Site::TearDown => Quirk::Takes(short),
        Site::StartThread => {
            random.pick(&[Quirk::Fails, Quirk::Panics, Quirk::Takes(short), Quirk::Hangs(stuck)])
        }
        Site::Free => random.pick(&[
            Quirk::Panics,
            Quirk::Takes(short),
            Quirk::Hangs(stuck),
            Quirk::HangsWithLock(stuck),
        ]),
        Site::Boot => random.pick(&[
            Quirk::Fails,
            Quirk::Panics,
            Quirk::Takes(short),
            Quirk::Hangs(stuck),
            Quirk::Blocks(stuck),
            Quirk::Unhealthy,
        ]),
        Site::Request => script(random, short, stuck),
        Site::Spawn | Site::Capture => Quirk::Fails,
        Site::Wake => random.pick(&[
            Quirk::QueueFull,
            Quirk::HandlerReplaced,
            Quirk::Refused,
            Quirk::Late(short),
            Quirk::Late(short),
            Quirk::Twice,
        ]),
        Site::Notice => Quirk::Panics,
        Site::Hook => Quirk::Takes(short),
        Site::Sleep => Quirk::Spurious,
    }
}

fn script(random: &mut Random, short: u32, stuck: Option<u32>) -> Quirk {
    match random.below(14) {
        0 => Quirk::Panics,
        1 => Quirk::Unhealthy,
        2 => Quirk::DiesWithLock,
        3 => Quirk::Takes(short),
        4 => Quirk::Loops(stuck),
        5 => Quirk::LoopsBlindly(stuck),
        6..8 => Quirk::Blocks(stuck),
        8 => Quirk::Retries(random.pick(&[1, 2, u32::MAX]), stuck),
        9..11 => Quirk::Hangs(stuck),
        11 => Quirk::HostCallback(stuck),
        12 => Quirk::BlocksAgain(stuck),
        _ => Quirk::ClearsTimedOut(stuck),
    }
}
