//! Plays a run: every simulated thread is a coroutine on the calling OS thread.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::scheduler::ThreadId;
use super::world::{self, Next, Stop, World};
use crate::property::Property;
use crate::search::quiet;

/// Plenty for the library and a script; pages that are never used cost nothing.
const STACK_BYTES: usize = 256 * 1024;

/// Who is left when a run is over has so many turns to come to its end; whoever has not by then is leaked.
const TURNS_TO_END: u32 = 1_000;

static HOOK: Once = Once::new();

thread_local! {
    /// Whether this OS thread plays a run.
    static PLAYS: Cell<bool> = const { Cell::new(false) };
    /// What the library has panicked with. Scripts and observers that are meant to panic do not call the hook.
    static PANICKED: RefCell<Option<String>> = const { RefCell::new(None) };
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

/// Plays a world whose first thread has been started; answers it when nobody runs any more.
pub(super) fn play(world: World) -> World {
    HOOK.call_once(|| {
        let outer = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match PLAYS.get() {
            true => drop(PANICKED.replace(Some(info.to_string().replace('\n', ": ")))),
            false => outer(info),
        }));
    });
    PLAYS.set(true);
    let outer = world::replace(Some(world));
    assert!(outer.is_none(), "a run is not played inside of another");
    let mut fibers = Fibers::default();
    while let Next::Resume(thread) = world::with(World::next) {
        fibers.resume(thread);
    }
    fibers.end_all();
    PANICKED.take();
    PLAYS.set(false);
    world::replace(None).expect("nobody takes it out")
}

#[derive(Default)]
struct Fibers(Vec<Option<Coroutine<(), (), ()>>>);

impl Fibers {
    /// Runs a thread to where it stops, or ends.
    fn resume(&mut self, thread: ThreadId) {
        let number = thread as usize;
        if self.0.len() <= number {
            self.0.resize_with(number + 1, || None);
        }
        world::with(|world| world.running = Some(thread));
        let coroutine = self.0[number].get_or_insert_with(|| begin(thread));
        if matches!(coroutine.resume(()), CoroutineResult::Return(())) {
            let ended = self.0[number].take().expect("it has just run");
            STACKS.with_borrow_mut(|stacks| stacks.push(ended.into_stack()));
            world::with(|world| world.finished(thread));
        }
        world::with(|world| {
            if let Some(what) = PANICKED.take() {
                let role = world.role();
                world.violate(Property::NoDeadlock, || format!("{role} panicked: {what}"));
            }
            world.running = None;
        });
    }

    /// The run is over: brings everybody to an end who is not there yet.
    fn end_all(&mut self) {
        let left = world::with(|world| {
            world.unwinding = true;
            world.left_over()
        });
        for thread in left {
            let has_begun = self.0.get(thread as usize).is_some_and(Option::is_some);
            for _ in 0..TURNS_TO_END {
                if !has_begun || world::with(|world| world.is_done(thread)) {
                    break;
                }
                self.resume(thread);
            }
            if let Some(mut stuck) = self.0.get_mut(thread as usize).and_then(Option::take) {
                // SAFETY: nobody refers to what lies on its stack, except others that are stuck too and never go on. What it
                // owns is leaked.
                unsafe { stuck.force_reset() };
                STACKS.with_borrow_mut(|stacks| stacks.push(stuck.into_stack()));
            }
        }
        // Bodies that never began are dropped while the world is still there.
        let bodies = world::with(|world| {
            world.threads.iter_mut().filter_map(|thread| thread.body.take()).collect::<Vec<_>>()
        });
        drop(bodies);
    }
}

fn begin(thread: ThreadId) -> Coroutine<(), (), ()> {
    let stack = STACKS.with_borrow_mut(Vec::pop);
    let stack = stack.unwrap_or_else(|| DefaultStack::new(STACK_BYTES).expect("memory for a stack"));
    let body = world::with(|world| world.threads[thread as usize].body.take()).expect("it begins once");
    Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
        world::with(|world| world.current().yielder = Some(yielder.into()));
        let Err(panic) = catch_unwind(AssertUnwindSafe(body)) else { return };
        if !panic.is::<Stop>() {
            let what = quiet::message(&*panic);
            world::with(|world| {
                let role = world.role();
                world.violate(Property::NoDeadlock, || format!("{role} panicked: {what}"));
            });
        }
    })
}
