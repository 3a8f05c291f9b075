//! Makes small programs from seeds.

use fastrand::Rng;

use super::{Change, Line, Object, Op, Predicate, Section, SmallProgram, TIMED_OUT};

/// The program of a seed.
pub fn program(seed: u64) -> SmallProgram {
    Generator::new(seed).program()
}

struct Generator {
    rng: Rng,
    objects: Vec<Object>,
    /// Objects drawn from, so that a few programs have much contention.
    flavour: Flavour,
}

/// What a program is mostly about: a uniform mixture hardly ever has two interesting operations on one object.
#[derive(Clone, Copy)]
enum Flavour {
    Mixed,
    Monitors,
    Waits,
    Locks,
    Carries,
}

impl Generator {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
        let flavour = match rng.u8(..8) {
            0..3 => Flavour::Mixed,
            3..5 => Flavour::Monitors,
            5 => Flavour::Waits,
            6 => Flavour::Carries,
            _ => Flavour::Locks,
        };
        Self { rng, objects: Vec::new(), flavour }
    }

    fn program(mut self) -> SmallProgram {
        for _ in 0..self.rng.usize(1..=3) {
            let value = (self.rng.u8(..2), self.rng.u8(..2));
            self.objects.push(Object::Monitor(value));
        }
        if self.rng.bool() {
            let value = self.rng.bool();
            self.objects.push(Object::Flag(value));
        }
        let locks = if matches!(self.flavour, Flavour::Locks) { 2 } else { self.rng.usize(..=2) };
        self.objects.extend((0..locks).map(|_| Object::Lock));

        let threads = self.rng.usize(2..=4);
        // The fewer the threads, the longer they are.
        let longest = [0, 0, 5, 4, 3][threads];
        let mut bodies: Vec<Vec<Line>> = (0..threads)
            .map(|_| {
                let length = self.rng.usize(1..=longest);
                let mut body = Vec::new();
                while body.len() < length {
                    self.lines(&mut body, &[]);
                }
                body
            })
            .collect();
        for child in 1..threads {
            let parent = if self.rng.u8(..3) == 0 { self.rng.usize(..child) } else { 0 };
            let early = self.rng.u8(..4) != 0;
            let at = if early { 0 } else { self.rng.usize(..=bodies[parent].len()) };
            bodies[parent].insert(at, line(Op::Spawn(child)));
        }
        for child in 1..threads {
            if self.rng.u8(..3) == 0 {
                self.join(&mut bodies, child);
            }
        }
        SmallProgram { objects: self.objects, bodies }
    }

    /// Lets somebody join `child` who can know of it: who spawned it, or whom that one spawned later.
    fn join(&mut self, bodies: &mut [Vec<Line>], child: usize) {
        let spawns = |body: &Vec<Line>| body.iter().position(|line| line.op == Op::Spawn(child));
        let found = bodies.iter().enumerate().find_map(|(body, lines)| spawns(lines).map(|at| (body, at)));
        let Some((parent, at)) = found else { return };
        let younger = bodies[parent][at + 1..].iter().find_map(|line| match line.op {
            Op::Spawn(younger) => Some(younger),
            _ => None,
        });
        let (joiner, from) = younger.filter(|_| self.rng.u8(..3) == 0).map_or((parent, at + 1), |it| (it, 0));
        let at = self.rng.usize(from..=bodies[joiner].len());
        bodies[joiner].insert(at, line(Op::Join(child)));
    }

    /// Adds an operation; a lock is released again after one or two others.
    fn lines(&mut self, body: &mut Vec<Line>, held: &[usize]) {
        let mut locks = self.of_kind(|object| matches!(object, Object::Lock));
        locks.retain(|lock| !held.contains(lock));
        let wants_lock = match self.flavour {
            Flavour::Locks => 2,
            Flavour::Mixed => 5,
            _ => 12,
        };
        if !locks.is_empty() && self.rng.u8(..wants_lock) == 0 {
            let lock = locks[self.rng.usize(..locks.len())];
            let acquire = self.guarded(line(Op::Acquire(lock)));
            body.push(acquire);
            for _ in 0..self.rng.usize(1..=2) {
                self.lines(body, &[held, &[lock]].concat());
            }
            body.push(line(Op::Release(lock)));
            return;
        }
        let op = self.op();
        let guarded = self.guarded(line(op));
        body.push(self.asserted(guarded));
    }

    fn op(&mut self) -> Op {
        let flags = self.of_kind(|object| matches!(object, Object::Flag(_)));
        if let Some(&flag) = flags.first()
            && self.rng.u8(..5) == 0
        {
            return if self.rng.bool() { Op::Load(flag) } else { Op::Store(flag, self.rng.bool()) };
        }
        let monitors = self.of_kind(|object| matches!(object, Object::Monitor(_)));
        let on = monitors[self.rng.usize(..monitors.len())];
        let section = self.section();
        let waits = match self.flavour {
            Flavour::Mixed => 3,
            Flavour::Monitors => 1,
            Flavour::Waits | Flavour::Carries => 5,
            Flavour::Locks => 2,
        };
        match self.rng.u8(..8) {
            0..4 if matches!(self.flavour, Flavour::Carries) && monitors.len() > 1 => {
                let to = monitors[self.rng.usize(..monitors.len())];
                let until = if self.rng.bool() { Predicate::AtLeast(0, 0) } else { self.predicate() };
                if to == on { Op::With(on, section) } else { Op::Carry(on, until, to) }
            }
            drawn if drawn >= waits => Op::With(on, section),
            drawn if drawn % 2 == 1 => Op::Wait(on, self.predicate(), section),
            _ => Op::WaitUntil(on, self.predicate(), section),
        }
    }

    fn section(&mut self) -> Section {
        let part = self.part();
        let change = match self.rng.u8(..10) {
            0..2 => return Section { change: Change::Read, tells: true },
            2..5 => Change::Add(part, self.rng.u8(1..=2)),
            5..8 => Change::Set(part, self.rng.u8(..3)),
            8 => Change::Max(part, self.rng.u8(1..=2)),
            _ => Change::Swap,
        };
        Section { change, tells: self.rng.bool() }
    }

    fn predicate(&mut self) -> Predicate {
        let part = self.part();
        match self.rng.u8(..4) {
            0 => Predicate::AtLeast(part, self.rng.u8(1..=2)),
            3 => Predicate::Equal,
            _ => Predicate::Is(part, self.rng.u8(..3)),
        }
    }

    /// Mostly the first: two operations on different parts commute.
    fn part(&mut self) -> u8 {
        u8::from(self.rng.u8(..4) == 0)
    }

    fn guarded(&mut self, line: Line) -> Line {
        let only_if = (self.rng.u8(..6) == 0).then(|| [0, 0, 4, TIMED_OUT][self.rng.usize(..4)]);
        Line { only_if, ..line }
    }

    fn asserted(&mut self, line: Line) -> Line {
        let never = match line.op {
            _ if self.rng.u8(..3) == 0 => None,
            // While it holds a lock, this would be about three objects.
            Op::Carry(..) => None,
            Op::Load(_) => Some(self.rng.u8(..2)),
            Op::WaitUntil(..) if self.rng.bool() => Some(TIMED_OUT),
            Op::With(_, section) | Op::Wait(_, _, section) | Op::WaitUntil(_, _, section)
                if section.tells =>
            {
                Some(4 * self.rng.u8(..3) + self.rng.u8(..2))
            }
            _ => None,
        };
        Line { never, ..line }
    }

    fn of_kind(&self, is: impl Fn(&Object) -> bool) -> Vec<usize> {
        (0..self.objects.len()).filter(|&object| is(&self.objects[object])).collect()
    }
}

fn line(op: Op) -> Line {
    Line { op, only_if: None, never: None }
}

/// The programs that have one thread, one line, one assertion or one condition less, in this order.
pub fn smaller(program: &SmallProgram) -> impl Iterator<Item = SmallProgram> {
    let empty = (0..program.bodies.len()).map(|body| {
        let mut smaller = program.clone();
        smaller.bodies[body].clear();
        smaller
    });
    let lines = program
        .bodies
        .iter()
        .enumerate()
        .flat_map(|(body, lines)| (0..lines.len()).map(move |at| (body, at)));
    let dropped = lines.clone().map(|(body, at)| {
        let mut smaller = program.clone();
        smaller.bodies[body].remove(at);
        smaller
    });
    let plainer = lines.flat_map(|(body, at)| {
        let plain = |to: fn(&mut Line)| {
            let mut smaller = program.clone();
            to(&mut smaller.bodies[body][at]);
            smaller
        };
        [plain(|line| line.never = None), plain(|line| line.only_if = None)]
    });
    empty.chain(dropped).chain(plainer).filter(move |smaller| smaller != program)
}
