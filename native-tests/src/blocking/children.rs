//! Calls that wait for a child process.

use std::ffi::{CString, c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Blocking, Script};
use crate::sys::{self, checked};

/// A child that ends when its input does.
struct Waiting {
    child: Mutex<Child>,
    pid: libc::pid_t,
}

pub(super) fn waitpid() -> io::Result<Arc<dyn Blocking>> {
    let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let pid = child.id() as libc::pid_t;
    Ok(Arc::new(Waiting { child: Mutex::new(child), pid }))
}

impl Blocking for Waiting {
    fn block(&self, script: &Script) -> io::Result<i64> {
        let no_flags = 0;
        // SAFETY: a child of ours; its status is not asked for.
        script.counted(checked(unsafe { libc::waitpid(self.pid, ptr::null_mut(), no_flags) }))
    }

    fn let_go(&self) -> bool {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).stdin.take().is_some()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.let_go();
        // Answers an error if the blocked call has waited for the child already.
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

/// A child of vfork that neither exits nor becomes another program until it is let go. The parent's thread waits for
/// it in the kernel.
struct Vfork {
    from: OwnedFd,
    to: OwnedFd,
}

pub(super) fn vfork() -> io::Result<Arc<dyn Blocking>> {
    let (from, to) = sys::pipe()?;
    Ok(Arc::new(Vfork { from, to }))
}

/// Runs in the child, in memory that it shares with its parent: two system calls and nothing else.
extern "C" fn wait_for_a_byte(argument: *mut c_void) -> c_int {
    let mut byte = 0_u8;
    let fd = argument as usize as c_int;
    // SAFETY: room for one byte on this stack. The parent's thread sleeps, so its errno is free to use. _exit runs
    // nothing of the parent's.
    unsafe {
        libc::read(fd, (&raw mut byte).cast(), 1);
        libc::_exit(0)
    }
}

impl Blocking for Vfork {
    fn block(&self, _: &Script) -> io::Result<i64> {
        // Of u128, because a stack must be aligned to 16 bytes.
        let mut stack = vec![0_u128; 4096];
        let top = stack.as_mut_ptr_range().end.cast();
        let flags = libc::CLONE_VFORK | libc::CLONE_VM | libc::SIGCHLD;
        let fd = self.from.as_raw_fd() as usize as *mut c_void;
        // SAFETY: the child runs on a stack of its own, which lives until the child is gone, because CLONE_VFORK keeps
        // this thread from going on; it shares nothing else that it writes to.
        let pid = checked(unsafe { libc::clone(wait_for_a_byte, top, flags, fd) })?;
        // SAFETY: a child of ours that has exited; its status is not asked for.
        checked(unsafe { libc::waitpid(pid as libc::pid_t, ptr::null_mut(), 0) })
    }

    fn let_go(&self) -> bool {
        sys::write(&self.to, b"!").is_ok()
    }
}

/// A child of `posix_spawn` that has to open a FIFO before it may become another program, and nobody opens the other
/// end.
struct Spawn {
    fifo: CString,
}

pub(super) fn posix_spawn() -> io::Result<Arc<dyn Blocking>> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    // Relaxed: only has to be a number of its own.
    let name = format!("forcekill-{}-{}.fifo", std::process::id(), COUNTER.fetch_add(1, Relaxed));
    let path = std::env::temp_dir().join(name);
    let fifo = CString::new(path.into_os_string().into_encoded_bytes())?;
    // SAFETY: a path that ends in a zero byte.
    checked(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) })?;
    Ok(Arc::new(Spawn { fifo }))
}

impl Blocking for Spawn {
    fn block(&self, _: &Script) -> io::Result<i64> {
        let mut actions = MaybeUninit::<libc::posix_spawn_file_actions_t>::uninit();
        let mut pid = 0;
        let program = c"/bin/true".as_ptr();
        let arguments: [*mut c_char; 2] = [program.cast_mut(), ptr::null_mut()];
        let environment: [*mut c_char; 1] = [ptr::null_mut()];
        // SAFETY: the actions are initialised before use and destroyed after; both lists end in a null pointer and
        // live for the time of the call, and so does the path.
        let errno = unsafe {
            libc::posix_spawn_file_actions_init(actions.as_mut_ptr());
            let fifo = self.fifo.as_ptr();
            libc::posix_spawn_file_actions_addopen(actions.as_mut_ptr(), 0, fifo, libc::O_RDONLY, 0);
            let errno = libc::posix_spawn(
                &mut pid,
                program,
                actions.as_ptr(),
                ptr::null(),
                arguments.as_ptr(),
                environment.as_ptr(),
            );
            libc::posix_spawn_file_actions_destroy(actions.as_mut_ptr());
            errno
        };
        if errno != 0 {
            return Err(io::Error::from_raw_os_error(errno));
        }
        loop {
            // SAFETY: a child of ours; its status is not asked for.
            match checked(unsafe { libc::waitpid(pid, ptr::null_mut(), 0) }) {
                // The signals that were held back arrive here.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => return answer,
            }
        }
    }

    fn let_go(&self) -> bool {
        // A writer lets the child open the end to read. Opened for both, because that never waits.
        self.fifo.to_str().is_ok_and(|path| File::options().read(true).write(true).open(path).is_ok())
    }
}

impl Drop for Spawn {
    fn drop(&mut self) {
        // SAFETY: a path that ends in a zero byte, of a file that `posix_spawn` above has made.
        unsafe { libc::unlink(self.fifo.as_ptr()) };
    }
}
