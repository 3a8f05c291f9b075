//! Synchronous I/O on pipes that nobody reads from, writes to or connects to.

use std::fs::File;
use std::io::{self, Error, PipeReader, PipeWriter, Write};
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::process;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use windows_sys::Win32::Foundation::{ERROR_PIPE_CONNECTED, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{PIPE_ACCESS_DUPLEX, ReadFile, WriteFile};
use windows_sys::Win32::System::Pipes::{ConnectNamedPipe, CreateNamedPipeW, PIPE_TYPE_BYTE, PIPE_WAIT};

use crate::blocking::{Blocking, Script};

/// More than a pipe holds.
const TOO_MUCH_BYTES: usize = 1 << 20;

fn read_file(from: &impl AsHandle, script: &Script) -> io::Result<i64> {
    let (mut byte, mut count) = ([0_u8; 1], 0);
    let from = from.as_handle().as_raw_handle();
    // SAFETY: one byte of ours and one count; without an OVERLAPPED the call is over when it returns.
    let read = unsafe { ReadFile(from, byte.as_mut_ptr(), 1, &mut count, ptr::null_mut()) };
    script.counted(if read != 0 { Ok(count.into()) } else { Err(Error::last_os_error()) })
}

/// Stuck until the pipe can be read.
struct Reading {
    from: PipeReader,
    to: PipeWriter,
}

pub(in crate::blocking) fn read() -> io::Result<Arc<dyn Blocking>> {
    let (from, to) = io::pipe()?;
    Ok(Arc::new(Reading { from, to }))
}

impl Blocking for Reading {
    fn block(&self, script: &Script) -> io::Result<i64> {
        read_file(&self.from, script)
    }

    fn let_go(&self) -> bool {
        (&self.to).write(b"g").is_ok()
    }
}

/// Stuck until somebody has read most of what it writes.
struct Writing {
    from: Mutex<Option<PipeReader>>,
    to: PipeWriter,
}

pub(in crate::blocking) fn write() -> io::Result<Arc<dyn Blocking>> {
    let (from, to) = io::pipe()?;
    Ok(Arc::new(Writing { from: Mutex::new(Some(from)), to }))
}

impl Blocking for Writing {
    fn block(&self, script: &Script) -> io::Result<i64> {
        let (bytes, mut count) = (vec![7_u8; TOO_MUCH_BYTES], 0);
        let (to, length) = (self.to.as_raw_handle(), TOO_MUCH_BYTES as u32);
        // SAFETY: the buffer has that length and outlives the call, which is over when it returns.
        let written = unsafe { WriteFile(to, bytes.as_ptr(), length, &mut count, ptr::null_mut()) };
        script.counted(if written != 0 { Ok(count.into()) } else { Err(Error::last_os_error()) })
    }

    fn let_go(&self) -> bool {
        let reader = self.from.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut reader) = reader {
            // Ends when the end to write to is dropped.
            thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
        }
        true
    }
}

/// A named pipe of this process, and who connects to it.
struct Named {
    server: OwnedHandle,
    name: String,
    client: Mutex<Option<File>>,
    call: fn(&Self, &Script) -> io::Result<i64>,
}

impl Named {
    fn new(call: fn(&Self, &Script) -> io::Result<i64>) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Relaxed: a number that nobody else gets.
        let name = format!(r"\\.\pipe\forcekill-{}-{}", process::id(), NEXT.fetch_add(1, Relaxed));
        let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
        let (mode, bytes) = (PIPE_TYPE_BYTE | PIPE_WAIT, 4096);
        // SAFETY: the name ends with a zero and outlives the call; no security attributes.
        let server = unsafe {
            CreateNamedPipeW(wide.as_ptr(), PIPE_ACCESS_DUPLEX, mode, 1, bytes, bytes, 0, ptr::null())
        };
        if server == INVALID_HANDLE_VALUE {
            return Err(Error::last_os_error());
        }
        // SAFETY: the call has just made it, and nobody else has it.
        let server = unsafe { OwnedHandle::from_raw_handle(server) };
        Ok(Self { server, name, client: Mutex::new(None), call })
    }

    fn connect_a_client(&self) -> io::Result<()> {
        let client = File::options().read(true).write(true).open(&self.name)?;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
        Ok(())
    }
}

pub(in crate::blocking) fn read_named() -> io::Result<Arc<dyn Blocking>> {
    let pipe = Named::new(|pipe, script| read_file(&pipe.server, script))?;
    pipe.connect_a_client()?;
    Ok(Arc::new(pipe))
}

pub(in crate::blocking) fn connect() -> io::Result<Arc<dyn Blocking>> {
    Ok(Arc::new(Named::new(|pipe, script| {
        // SAFETY: a handle that `pipe` keeps open; without an OVERLAPPED the call is over when it returns.
        if unsafe { ConnectNamedPipe(pipe.server.as_raw_handle(), ptr::null_mut()) } != 0 {
            return Ok(0);
        }
        let error = Error::last_os_error();
        // The client was there before the call.
        if error.raw_os_error() == Some(ERROR_PIPE_CONNECTED.cast_signed()) {
            return Ok(0);
        }
        script.counted(Err(error))
    })?))
}

impl Blocking for Named {
    fn block(&self, script: &Script) -> io::Result<i64> {
        (self.call)(self, script)
    }

    fn let_go(&self) -> bool {
        if self.client.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return self.connect_a_client().is_ok();
        }
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.as_ref().is_some_and(|mut client| client.write(b"g").is_ok())
    }
}
