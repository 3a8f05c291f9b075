//! Fast hashes of values, histories and names. Not stable between versions: keys are compared within one process.

use std::hash::{Hash, Hasher};

const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xd6e8_feb8_6659_fd93;
/// Where a hash begins: not `FIRST`, which `mix` takes for a zero.
const SEED: u64 = 0xa076_1d64_78bd_642f;

/// Mixes two words into one that depends on the order.
pub(super) fn mix(one: u64, other: u64) -> u64 {
    let product = u128::from(one ^ FIRST) * u128::from(other.rotate_left(32) ^ SECOND);
    (product as u64) ^ ((product >> 64) as u64)
}

/// A hash of two words, for what there is so much of that one word might be the same twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Long(pub(super) u64, pub(super) u64);

impl Long {
    /// With one word more.
    pub(super) fn mixed(self, word: u64) -> Self {
        Self(mix(self.0, word), mix(self.1 ^ SEED, word.rotate_left(17)))
    }

    /// The sum of two, whatever the order.
    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0), self.1.wrapping_add(other.1))
    }

    /// Of [`Long::number`].
    pub(super) fn numbered(number: u128) -> Self {
        Self((number >> 64) as u64, number as u64)
    }

    /// As one number.
    pub(super) fn number(self) -> u128 {
        u128::from(self.0) << 64 | u128::from(self.1)
    }
}

/// The hash of a value.
pub(super) fn of<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = Mixer(SEED);
    value.hash(&mut hasher);
    hasher.0
}

struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
        self.write_u64(bytes.len() as u64);
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0, word);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
