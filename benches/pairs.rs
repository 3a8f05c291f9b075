//! The operations that are compared: each as the library does it and as the code by hand does it, in the same state.

use std::hint::black_box;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread::JoinHandle;

use forcekill::steps::Attempt;
use forcekill::{
    InterruptFlags, KillSignal, Native, NativeConfig, OwnedFlags, PublicationId, RunId, Slot, Wake,
};

use crate::by_hand::{HandAttempt, HandFlags, HandSlot};

/// Two slots that one thread has published itself in, with a run open in both.
pub struct Pair {
    /// The library's.
    pub slot: Slot,
    /// The one by hand.
    pub hand: HandSlot,
    flags: OwnedFlags,
    hand_flags: Arc<HandFlags>,
    publication: PublicationId,
    run: RunId,
    hand_publication: u64,
    hand_run: u64,
}

impl Pair {
    /// Kills on it are flags only.
    pub fn flags_only() -> Self {
        Self::publish(NativeConfig::FlagsOnly, None)
    }

    /// Kills on it send signals. Each side has one of its own, as each checks its own handler; what a real-time signal
    /// costs does not depend on its number.
    ///
    /// # Panics
    /// If the system has too few real-time signals.
    pub fn with_signals() -> Self {
        Self::publish(NativeConfig::Signal(KillSignal::default()), Some(second_signal().number()))
    }

    fn publish(config: NativeConfig, own: Option<i32>) -> Self {
        let slot = Slot::<Native>::new(Native::new(config));
        let (flags, hand_flags) = (OwnedFlags::new(), Arc::new(HandFlags::default()));
        // SAFETY: the flags are counted, so they live as long as the slot has them; whoever publishes on a thread
        // other than the main one clears the slot before it exits (`Parked`).
        let publication = unsafe { slot.publish(flags.clone()) };
        // After the library's, which sees to the alternate stack.
        let hand = HandSlot::new(own);
        let hand_publication = hand.publish(Arc::clone(&hand_flags));
        let (run, hand_run) = (slot.begin_run(publication), hand.begin_run(hand_publication));
        Self { slot, hand, flags, hand_flags, publication, run, hand_publication, hand_run }
    }

    /// One attempt of the library's.
    #[inline]
    pub fn attempt(&self) -> Attempt {
        black_box(&self.slot).attempt(black_box(self.run), 1)
    }

    /// One attempt by hand.
    #[inline]
    pub fn attempt_by_hand(&self) -> HandAttempt {
        black_box(&self.hand).attempt(black_box(self.hand_run))
    }

    /// A run of the library's that nobody kills.
    #[inline]
    pub fn run(&self) {
        let slot = black_box(&self.slot);
        let run = slot.begin_run(self.publication);
        slot.end_run(self.publication, black_box(run));
    }

    /// A run by hand that nobody kills.
    #[inline]
    pub fn run_by_hand(&self) {
        let hand = black_box(&self.hand);
        let run = hand.begin_run(self.hand_publication);
        hand.end_run(self.hand_publication, black_box(run));
    }

    /// A publication of the library's, from nothing to nothing.
    #[inline]
    pub fn publish_and_clear(&self) {
        let slot = black_box(&self.slot);
        // SAFETY: cleared in the next line.
        let publication = unsafe { slot.publish(self.flags.clone()) };
        slot.clear(black_box(publication));
    }

    /// A publication by hand, from nothing to nothing.
    #[inline]
    pub fn publish_and_clear_by_hand(&self) {
        let hand = black_box(&self.hand);
        let publication = hand.publish(Arc::clone(&self.hand_flags));
        hand.clear(black_box(publication));
    }

    /// The VM's check of the library's.
    #[inline]
    pub fn consume(&self) -> bool {
        black_box(&self.flags).consume_interrupt()
    }

    /// The VM's check by hand.
    #[inline]
    pub fn consume_by_hand(&self) -> bool {
        black_box(&self.hand_flags).consume_interrupt()
    }
}

fn second_signal() -> KillSignal {
    KillSignal::realtime(4).expect("SIGRTMIN+4 is free to use")
}

/// A pair whose thread is parked in a system call for as long as the value lives, and parks again after each signal.
pub struct Parked {
    pair: Arc<Pair>,
    leave: Arc<AtomicBool>,
    signal: i32,
    thread: Option<JoinHandle<()>>,
}

impl Parked {
    /// Parks a thread.
    ///
    /// # Panics
    /// If the thread does not come up.
    pub fn thread() -> Self {
        let (sender, receiver) = mpsc::channel();
        let leave = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let leave = Arc::clone(&leave);
            move || {
                let pair = Arc::new(Pair::with_signals());
                let (publication, hand_publication) = (pair.publication, pair.hand_publication);
                sender.send(Arc::clone(&pair)).expect("somebody waits for the pair");
                // Relaxed: nothing but the flag itself is passed.
                while !leave.load(Relaxed) {
                    // SAFETY: waits for a signal, and touches nothing.
                    unsafe { libc::pause() };
                }
                pair.slot.clear(publication);
                pair.hand.clear(hand_publication);
            }
        });
        let pair = receiver.recv().expect("the thread has published itself");
        Self { pair, leave, signal: second_signal().number(), thread: Some(thread) }
    }

    /// One attempt of the library's.
    ///
    /// # Panics
    /// If the signal was not sent.
    #[inline]
    pub fn attempt(&self) {
        let attempt = self.pair.attempt();
        assert!(attempt == Attempt::Made(Wake::Sent), "{attempt:?}");
    }

    /// One attempt by hand.
    ///
    /// # Panics
    /// If the signal was not sent.
    #[inline]
    pub fn attempt_by_hand(&self) {
        let attempt = self.pair.attempt_by_hand();
        assert!(attempt == HandAttempt::Sent, "{attempt:?}");
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        // Relaxed: see the thread.
        self.leave.store(true, Relaxed);
        let Some(thread) = self.thread.take() else { return };
        // Again and again, for the reason that the library sends again: one signal may land between the thread's look
        // at the flag and its pause.
        while !thread.is_finished() {
            // SAFETY: not joined yet, so the name is valid; the handler was installed before the thread was answered.
            unsafe { libc::pthread_kill(thread.as_pthread_t(), self.signal) };
            std::thread::yield_now();
        }
        let joined = thread.join();
        if !std::thread::panicking() {
            joined.expect("the parked thread leaves in peace");
        }
    }
}
