//! Locks of the standard library that somebody else holds.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{Blocking, Script};

/// A mutex of the standard library, held by a keeper thread until the waiting one is let go.
struct HeldMutex {
    held: Arc<Mutex<()>>,
    over: Arc<(Mutex<bool>, Condvar)>,
}

pub(super) fn mutex() -> io::Result<Arc<dyn Blocking>> {
    let held = Arc::new(Mutex::new(()));
    let over = Arc::new((Mutex::new(false), Condvar::new()));
    let (locked, when_locked) = std::sync::mpsc::channel();
    std::thread::Builder::new().spawn({
        let (held, over) = (Arc::clone(&held), Arc::clone(&over));
        move || {
            let _guard = held.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = locked.send(());
            let (is_over, changed) = &*over;
            let mut is_over = is_over.lock().unwrap_or_else(PoisonError::into_inner);
            while !*is_over {
                is_over = changed.wait(is_over).unwrap_or_else(PoisonError::into_inner);
            }
        }
    })?;
    when_locked.recv().map_err(io::Error::other)?;
    Ok(Arc::new(HeldMutex { held, over }))
}

impl Blocking for HeldMutex {
    fn block(&self, _: &Script) -> io::Result<i64> {
        drop(self.held.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(0)
    }

    fn let_go(&self) -> bool {
        let (is_over, changed) = &*self.over;
        *is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
        true
    }
}

impl Drop for HeldMutex {
    fn drop(&mut self) {
        self.let_go();
    }
}
