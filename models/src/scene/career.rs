//! A PHP thread with its whole life: from the boot over a change of handler and its scripts to its exit, by whichever way.

use std::sync::Arc;

use forcekill::state::Event;
use forcekill::steps::Steps;
use forcekill::thread::Told;
use forcekill::{Lingering, OwnedFlags, State, States, Thread};

use super::{Role, Scene};

/// What becomes of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Career {
    /// It serves as a worker.
    Worker,
    /// Its second handler is the inactive one.
    BackToInactive,
    /// Its worker script fails to boot, the first time.
    FailsFirstBoot,
    /// Its worker script fails to boot after a restart.
    FailsLaterBoot,
    /// It serves `max_requests`, and a fresh OS thread takes over.
    Reboots,
    /// Its OS thread ends while it boots.
    DiesBooting,
    /// Its OS thread ends while its handler changes.
    DiesStarting,
    /// Its OS thread ends in a script.
    DiesServing,
    /// It is stuck in its boot until all calls have returned.
    StuckBooting,
    /// It is stuck in its exit until all calls have returned.
    StuckExiting,
}

/// How a stretch of a life ended.
enum Ending {
    /// The OS thread ends.
    Exit,
    /// The same, and a fresh one takes over.
    Reboot,
}

/// A thread and what it needs to live.
pub struct Life<P: Scene, D: Steps<P, OwnedFlags>> {
    /// The library's thread.
    pub thread: Arc<Thread<P, OwnedFlags, D>>,
    /// Where it is counted.
    pub lingering: Lingering<P>,
    /// What becomes of it.
    pub career: Career,
}

impl<P: Scene, D: Steps<P, OwnedFlags>> Clone for Life<P, D> {
    fn clone(&self) -> Self {
        let (thread, lingering) = (Arc::clone(&self.thread), self.lingering.clone());
        Self { thread, lingering, career: self.career }
    }
}

impl<P: Scene, D: Steps<P, OwnedFlags>> Life<P, D> {
    /// Starts the OS thread of a thread that is Booting.
    pub fn boot(&self, scene: &P) {
        self.spawn(scene, |life, scene| match life.career {
            Career::DiesBooting => Ending::Exit,
            _ => {
                if life.career == Career::StuckBooting {
                    scene.uninterruptible_call();
                }
                // If this is not declared any more, somebody has given up on the thread; standing by tells.
                let _ = life.thread.change(Event::Settle);
                life.live()
            }
        });
    }

    fn spawn(&self, scene: &P, stretch: impl Fn(&Self, &P) -> Ending + Send + 'static) {
        let (life, scene) = (self.clone(), scene.clone());
        let spawned = self.thread.spawn(&self.lingering, move || {
            scene.enter(Role::Php(life.thread.index()));
            let occupied = life.thread.slot().occupy(OwnedFlags::new(), |_| stretch(&life, &scene));
            life.leave(&scene, &occupied);
        });
        spawned.expect("a scene refuses no thread");
    }

    /// From one order to the next.
    fn live(&self) -> Ending {
        let mut handlers = 0;
        loop {
            match self.thread.stand_by() {
                Told::GoOn => {
                    if self.career == Career::FailsLaterBoot && self.thread.change(Event::FailBoot).is_ok() {
                        return Ending::Exit;
                    }
                }
                Told::Exit => return Ending::Exit,
                Told::Else(State::TransitionRequested) => {
                    handlers += 1;
                    if let Some(ending) = self.change_handler(handlers) {
                        return ending;
                    }
                }
                Told::Else(_) => return Ending::Reboot,
            }
        }
    }

    /// Lets go of the handler, waits for the new one, and starts it.
    fn change_handler(&self, nth: u32) -> Option<Ending> {
        if self.thread.change(Event::Detach).is_err() {
            return None;
        }
        let given = States::of(&[State::TransitionComplete, State::Abandoned]);
        if self.thread.wait_for(given) == State::Abandoned {
            return None;
        }
        let _ = match self.career {
            Career::BackToInactive if nth > 1 => self.thread.change(Event::Settle),
            Career::DiesStarting => return Some(Ending::Exit),
            Career::FailsFirstBoot => self.thread.change(Event::FailBoot),
            _ => self.thread.change(Event::Serve),
        };
        match self.career {
            Career::DiesServing => Some(Ending::Exit),
            Career::Reboots if nth == 1 => {
                self.thread.change(Event::RequestReboot).is_ok().then_some(Ending::Reboot)
            }
            _ => None,
        }
    }

    /// The OS thread ends, and a fresh one is started if the thread reboots.
    fn leave(&self, scene: &P, ending: &Ending) {
        if self.career == Career::StuckExiting {
            scene.uninterruptible_call();
        }
        if let Err(error) = self.thread.exit() {
            use crate::property::Property::LegalTransitions;
            scene.oracle().violate(LegalTransitions, || format!("a thread exits, and {error}"));
        }
        // Not if somebody has given up on it meanwhile: then its exit has made it Done.
        if matches!(ending, Ending::Reboot) && self.thread.state() != State::Done {
            self.spawn(scene, |life, _| {
                let _ = life.thread.change(Event::Reboot);
                life.live()
            });
        }
    }
}
