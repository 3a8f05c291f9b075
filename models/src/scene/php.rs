//! The PHP threads of a scene: what a worker thread does with the library, from its spawn to its last count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use forcekill::platform::Monitor;
use forcekill::steps::Steps;
use forcekill::thread::Told;
use forcekill::{Lingering, OwnedFlags, State, Thread};

use super::{Role, Scene};

/// What a worker's script does until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Script {
    /// Ends by itself, at any moment: the thread then stands by until something is asked of it. As it is up to the search when
    /// that is, this is also the script that takes its time in foreign code.
    AtAnyTime,
    /// Waits in the host's callback for a request, and is told there that it is to leave.
    InCallback,
    /// Blocks in a call that a kill interrupts.
    Killable,
    /// Blocks in a call that nothing interrupts; it comes back when all calls have returned.
    Never,
}

/// A thread of a race, with what the race wants to know about it.
pub struct Php<P: Scene, D: Steps<P, OwnedFlags>> {
    /// The library's thread.
    pub thread: Arc<Thread<P, OwnedFlags, D>>,
    /// Whether it is in a script now. No step of a search: it only judges.
    pub in_script: Arc<AtomicBool>,
    script: Script,
    /// How many threads of the race have come to their first script.
    begun: Arc<P::Monitor<u32>>,
}

impl<P: Scene, D: Steps<P, OwnedFlags>> Clone for Php<P, D> {
    fn clone(&self) -> Self {
        let (thread, in_script) = (Arc::clone(&self.thread), Arc::clone(&self.in_script));
        Self { thread, in_script, script: self.script, begun: Arc::clone(&self.begun) }
    }
}

impl<P: Scene, D: Steps<P, OwnedFlags>> Php<P, D> {
    /// A worker thread that is Ready, and about to start its script.
    ///
    /// # Panics
    /// If the scene refuses the thread, which none does.
    pub fn start_ready(
        scene: &P,
        (lingering, begun): (&Lingering<P>, &Arc<P::Monitor<u32>>),
        index: usize,
        script: Script,
    ) -> Self {
        let thread = Arc::new(Thread::new(scene.clone(), index));
        scene.place(&thread, State::Ready);
        let php = Self { thread, in_script: Arc::default(), script, begun: Arc::clone(begun) };
        let (scene, body) = (scene.clone(), php.clone());
        let spawned = php.thread.spawn(lingering, move || {
            scene.enter(Role::Php(index));
            body.serve(&scene);
        });
        spawned.expect("a scene refuses no thread");
        php
    }

    /// The life of a worker thread that is Ready.
    fn serve(&self, scene: &P) {
        self.thread.slot().occupy(OwnedFlags::new(), |occupied| {
            let mut is_first = true;
            loop {
                occupied.run(|_| {
                    if std::mem::take(&mut is_first) && scene.sees_slots() {
                        self.begun.with(|begun| *begun += 1);
                    }
                    self.run_script(scene);
                });
                let told = match self.script {
                    Script::AtAnyTime => self.thread.stand_by(),
                    _ => self.thread.let_go(),
                };
                match told {
                    Told::GoOn => {}
                    Told::Exit => break,
                    Told::Else(state) => unreachable!("nobody asks for {state} here"),
                }
            }
        });
        self.exit(scene);
    }

    /// Whether its script can be stuck until everything is let go.
    pub fn can_be_stuck(&self) -> bool {
        matches!(self.script, Script::Killable | Script::Never)
    }

    /// One script, from its start to its end.
    pub fn run_script(&self, scene: &P) {
        self.in_script.store(true, SeqCst);
        match self.script {
            Script::AtAnyTime => {}
            Script::InCallback => self.thread.wait_to_leave(),
            Script::Killable => scene.interruptible_call(),
            Script::Never => scene.uninterruptible_call(),
        }
        self.in_script.store(false, SeqCst);
    }

    /// The last change of state.
    pub fn exit(&self, scene: &P) {
        if let Err(error) = self.thread.exit() {
            use crate::property::Property::LegalTransitions;
            scene.oracle().violate(LegalTransitions, || format!("a thread exits, and {error}"));
        }
    }
}
