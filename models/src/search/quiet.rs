//! Panics as outcomes: caught, and not printed.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::explorer;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs `piece`; a panic is answered as its message, and no hook prints it. The checkers run their threads as coroutines
/// on the calling thread, so theirs are quiet too.
///
/// # Errors
/// The panic's message.
pub fn catch<R>(piece: impl FnOnce() -> R) -> Result<R, String> {
    install();
    let was_quiet = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(piece));
    QUIET.set(was_quiet);
    result.map_err(|panic| message(&*panic))
}

/// The same for a piece whose panic says nothing: `None`. [`install`] must have been called.
pub fn caught<R>(piece: impl FnOnce() -> R) -> Option<R> {
    let was_quiet = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(piece));
    QUIET.set(was_quiet);
    result.ok()
}

/// Puts the hook in that keeps quiet; once a process.
pub fn install() {
    HOOK.call_once(|| {
        // shuttle puts a hook of its own in at its first run, which prints; ours must come after it.
        shuttle::check_dfs(|| {}, None);
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() && !explorer::is_thread() {
                loud(info);
            }
        }));
    });
}

/// What a panic says.
pub fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_string()
}
