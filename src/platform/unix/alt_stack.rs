//! An alternate signal stack on which handlers may nest.
//!
//! Rust gives its threads one of 8 KiB. The kill's handler nested with PHP's `SIGPROF` handler overflows that: a
//! crash in a third of the runs, measured. A thread without an alternate stack runs handlers on its own, which is
//! large; a thread of Go's has 32 KiB, which its runtime relies on. Only smaller ones are replaced.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ptr;

use super::last_errno;

/// Alternate stacks of at least this size are left alone.
const ENOUGH_BYTES: usize = 32 * 1024;
/// The size of ours.
const OURS_BYTES: usize = 256 * 1024;

thread_local! {
    // Belongs to the thread, not to a publication: it is set once and goes with the thread.
    static OURS: RefCell<Option<AltStack>> = const { RefCell::new(None) };
}

/// Gives the calling thread a large enough alternate stack, if the one that it has is too small. The error is the
/// system's `errno`.
pub(super) fn ensure_enough() -> Result<(), i32> {
    let current = current()?;
    if current.ss_flags & libc::SS_DISABLE != 0 || current.ss_size >= ENOUGH_BYTES {
        return Ok(());
    }
    let ours = AltStack::map()?;
    ours.activate()?;
    OURS.with(|slot| *slot.borrow_mut() = Some(ours));
    Ok(())
}

/// One mapping: a guard page below, the stack above it.
struct AltStack {
    mapping: *mut libc::c_void,
    guard_bytes: usize,
}

impl AltStack {
    fn map() -> Result<Self, i32> {
        // SAFETY: asks for a constant.
        let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let guard_bytes = usize::try_from(page_bytes).unwrap_or(4096);
        // SAFETY: a fresh private mapping touches nothing that exists.
        let mapping = unsafe {
            libc::mmap(
                ptr::null_mut(),
                guard_bytes + OURS_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANON,
                -1,
                0,
            )
        };
        if mapping == libc::MAP_FAILED {
            return Err(last_errno());
        }
        let stack = Self { mapping, guard_bytes };
        // SAFETY: the first page of our own mapping, which nobody uses yet.
        if unsafe { libc::mprotect(mapping, guard_bytes, libc::PROT_NONE) } != 0 {
            return Err(last_errno());
        }
        Ok(stack)
    }

    fn activate(&self) -> Result<(), i32> {
        let stack = libc::stack_t { ss_sp: self.base(), ss_flags: 0, ss_size: OURS_BYTES };
        // SAFETY: the memory is ours and mapped until `drop`, which takes it out of use first.
        if unsafe { libc::sigaltstack(&stack, ptr::null_mut()) } == 0 { Ok(()) } else { Err(last_errno()) }
    }

    fn base(&self) -> *mut libc::c_void {
        self.mapping.wrapping_byte_add(self.guard_bytes)
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        // The stack that stood here before is not put back: the standard library has unmapped its own by the time
        // that a thread's locals are destroyed.
        if current().is_ok_and(|stack| stack.ss_sp == self.base()) {
            let none =
                libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: OURS_BYTES };
            // SAFETY: takes our stack out of use; `none` outlives the call.
            unsafe { libc::sigaltstack(&none, ptr::null_mut()) };
        }
        // SAFETY: exactly the mapping that `map` made, out of use since the line above.
        unsafe { libc::munmap(self.mapping, self.guard_bytes + OURS_BYTES) };
    }
}

fn current() -> Result<libc::stack_t, i32> {
    let mut stack = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: a null new stack only asks; the answer is read only if the kernel gave one.
    unsafe {
        if libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) != 0 {
            return Err(last_errno());
        }
        Ok(stack.assume_init())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_with_a_small_stack_gets_a_large_one_and_keeps_it() {
        std::thread::spawn(|| {
            assert!(current().unwrap().ss_size < ENOUGH_BYTES, "Rust's own stack has grown");
            ensure_enough().unwrap();
            let ours = current().unwrap();
            assert_eq!(ours.ss_size, OURS_BYTES);
            ensure_enough().unwrap();
            assert_eq!(current().unwrap().ss_sp, ours.ss_sp, "a second call changes nothing");
        })
        .join()
        .unwrap();
    }
}
