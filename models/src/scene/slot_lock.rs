//! The lock of a slot in a scene.

use std::sync::{PoisonError, RwLock};

use forcekill::platform::Lock;

use crate::stage::Backend;

/// A slot's lock, which is a step of the search or is not.
pub enum SlotLock<B: Backend, T: Send + Sync + 'static> {
    /// The backend's.
    Seen(B::Lock<T>),
    /// The standard library's. No section of it holds a step, so it is never contended.
    Unseen(RwLock<T>),
}

impl<B: Backend, T: Send + Sync + 'static> Lock<T> for SlotLock<B, T> {
    fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R {
        match self {
            Self::Seen(lock) => lock.shared(section),
            Self::Unseen(lock) => section(&lock.read().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        match self {
            Self::Seen(lock) => lock.exclusive(section),
            Self::Unseen(lock) => section(&mut lock.write().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}
