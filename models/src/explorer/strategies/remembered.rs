//! The states that a search has been at, shared by all of its workers, each with who was asleep there.
//!
//! A state is known by its key: the values of all objects and, for each thread, the history of its answers, which is what its local
//! state is a function of. Each step makes a history longer, so no state lies behind itself.
//!
//! **Claim.** Where a state that was entered before with sleep set Z is entered with sleep set Z', a search with persistent sets and
//! sleep sets need explore no other thread than those of Z that are not in Z'. What such a search reaches from a state with Z is
//! every terminal state d that can be reached from there, unless some z in Z can begin a way to d ([`super::persistent`]). Let d be one
//! that has to be reached with Z': nobody in Z' can begin a way to it. If no z in Z can either, the other visit reaches it. Otherwise
//! take the first z of Z without Z' that is explored now and can begin one. Below it d is found, or a sleeper there can begin a way to
//! it; that sleeper commutes with z and so can begin one from here, but it is in Z', or came before z: a contradiction. From then on the
//! state counts as entered with what was asleep both times. The proof goes by induction on the length of the longest execution from a
//! state, so it does not matter that the other visit, by another worker, may not be over. It matters that every visit is over in
//! the end: a search that was stopped has proved nothing.
//!
//! **What it rests on besides.** Two states of one key would be taken for one. A history, and the sum of all histories and values,
//! is a hash of 128 bits; an answer, and an object's value, one of 64. With a hundred million states the odds of a collision are below
//! 1 in 10^20 for the sum, and with a million different values of one object below 1 in 10^7 for that object.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

use super::footprints::ThreadSlots;

/// The states, in parts with a lock each.
#[derive(Debug)]
pub struct Remembered {
    parts: Vec<Mutex<HashMap<u128, ThreadSlots, BuildHasherDefault<KeyItself>>>>,
}

const PARTS: usize = 256;

impl Remembered {
    /// None yet.
    pub fn new() -> Self {
        Self { parts: (0..PARTS).map(|_| Mutex::default()).collect() }
    }

    /// The state is entered, with these asleep: what is left to explore there.
    pub fn enter(&self, key: u128, asleep: ThreadSlots) -> Entered {
        let part = &self.parts[(key >> 64) as usize % PARTS];
        match part.lock().unwrap_or_else(PoisonError::into_inner).entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(asleep);
                Entered::New
            }
            Entry::Occupied(mut entry) => {
                let awake = entry.get() & !asleep;
                // Both visits count: what neither leaves out is reached.
                *entry.get_mut() &= asleep;
                if awake == 0 { Entered::Covered } else { Entered::Only(awake) }
            }
        }
    }
}

/// What is left to explore at a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// Everything that is not asleep.
    New,
    /// Nothing.
    Covered,
    /// These, who were asleep at every visit before.
    Only(ThreadSlots),
}

impl Default for Remembered {
    fn default() -> Self {
        Self::new()
    }
}

/// Keys are hashes already.
#[derive(Debug, Default)]
struct KeyItself(u64);

impl Hasher for KeyItself {
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("keys are numbers")
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_asleep_before_and_is_awake_now_is_left_to_explore() {
        let remembered = Remembered::new();
        assert_eq!(remembered.enter(7, 0b011), Entered::New);
        assert_eq!(remembered.enter(8, 0b011), Entered::New, "another state");
        assert_eq!(remembered.enter(7, 0b111), Entered::Covered, "more are asleep");
        assert_eq!(remembered.enter(7, 0b110), Entered::Only(0b001));
        assert_eq!(remembered.enter(7, 0b010), Entered::Covered, "the first two visits together");
        assert_eq!(remembered.enter(7, 0b000), Entered::Only(0b010));
    }
}
