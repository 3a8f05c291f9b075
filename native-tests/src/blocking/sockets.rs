//! Sockets whose other side does nothing.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::process;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Blocking, Script};
use crate::sys::{self, checked};

/// A listener that nobody connects to.
struct Accepting {
    listener: TcpListener,
    address: SocketAddr,
}

pub(super) fn accept() -> io::Result<Arc<dyn Blocking>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok(Arc::new(Accepting { listener, address }))
}

impl Blocking for Accepting {
    fn block(&self, script: &Script) -> io::Result<i64> {
        let (no_address, no_length) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the peer's address is not asked for.
        let answer = unsafe { libc::accept(self.listener.as_raw_fd(), no_address, no_length) };
        let connection = script.counted(checked(answer))?;
        // SAFETY: the call has just made it; nobody else owns it.
        drop(unsafe { OwnedFd::from_raw_fd(connection as i32) });
        Ok(0)
    }

    fn let_go(&self) -> bool {
        TcpStream::connect(self.address).is_ok()
    }
}

/// Two connected sockets; one waits for the other.
struct Receiving {
    ours: UnixStream,
    theirs: UnixStream,
}

pub(super) fn recv() -> io::Result<Arc<dyn Blocking>> {
    let (ours, theirs) = UnixStream::pair()?;
    Ok(Arc::new(Receiving { ours, theirs }))
}

impl Blocking for Receiving {
    fn block(&self, script: &Script) -> io::Result<i64> {
        let mut byte = [0_u8];
        // SAFETY: room for one byte.
        let answer = unsafe { libc::recv(self.ours.as_raw_fd(), byte.as_mut_ptr().cast(), 1, 0) };
        script.counted(checked(answer as i64))
    }

    fn let_go(&self) -> bool {
        sys::write(&self.theirs, b"!").is_ok()
    }
}

/// A listener that accepts nothing and whose backlog is full, and a socket that wants to connect to it.
struct Connecting<L> {
    listener: Mutex<Option<L>>,
    address: RawAddress,
    socket: OwnedFd,
    _backlog: Vec<OwnedFd>,
}

/// An address as `connect` takes it.
struct RawAddress {
    bytes: libc::sockaddr_storage,
    length: libc::socklen_t,
}

impl RawAddress {
    /// The address that `socket` is bound to.
    fn of(socket: &impl AsRawFd) -> io::Result<Self> {
        let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        // SAFETY: all-zero is a valid sockaddr_storage; the kernel writes at most `length` bytes into it.
        unsafe {
            let mut bytes: libc::sockaddr_storage = MaybeUninit::zeroed().assume_init();
            checked(libc::getsockname(socket.as_raw_fd(), (&raw mut bytes).cast(), &mut length))?;
            Ok(Self { bytes, length })
        }
    }

    fn connect(&self, socket: &OwnedFd) -> io::Result<i64> {
        // SAFETY: the address is `length` bytes long and lives for the time of the call.
        checked(unsafe { libc::connect(socket.as_raw_fd(), (&raw const self.bytes).cast(), self.length) })
    }

    fn new_socket(&self) -> io::Result<OwnedFd> {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        // SAFETY: numbers; the answer is a new descriptor that nobody else owns.
        unsafe {
            let socket = checked(libc::socket(self.bytes.ss_family.into(), kind, 0))?;
            Ok(OwnedFd::from_raw_fd(socket as i32))
        }
    }

    fn new_nonblocking_socket(&self) -> io::Result<OwnedFd> {
        let socket = self.new_socket()?;
        sys::set_nonblocking(&socket, true)?;
        Ok(socket)
    }
}

fn shrink_backlog(listener: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: numbers. A second listen changes the length of the backlog.
    checked(unsafe { libc::listen(listener.as_raw_fd(), 0) }).map(drop)
}

pub(super) fn connect_unix() -> io::Result<Arc<dyn Blocking>> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    // Relaxed: only has to be a number of its own.
    let name = format!("forcekill-{}-{}", process::id(), COUNTER.fetch_add(1, Relaxed));
    let listener = UnixListener::bind_addr(&UnixAddr::from_abstract_name(name)?)?;
    shrink_backlog(&listener)?;
    let address = RawAddress::of(&listener)?;
    let mut backlog = Vec::new();
    loop {
        let next = address.new_nonblocking_socket()?;
        match address.connect(&next) {
            Ok(_) => backlog.push(next),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    let socket = address.new_socket()?;
    Ok(Arc::new(Connecting { listener: Mutex::new(Some(listener)), address, socket, _backlog: backlog }))
}

pub(super) fn connect_tcp() -> io::Result<Arc<dyn Blocking>> {
    // More connections than any backlog of length 0 takes.
    const ENOUGH: usize = 64;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    shrink_backlog(&listener)?;
    let address = RawAddress::of(&listener)?;
    let mut backlog = Vec::new();
    while !is_backlog_full(&listener)? {
        if backlog.len() == ENOUGH {
            return Err(io::Error::other("the listener takes any number of connections"));
        }
        let next = address.new_nonblocking_socket()?;
        match address.connect(&next) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        backlog.push(next);
    }
    let socket = address.new_socket()?;
    Ok(Arc::new(Connecting { listener: Mutex::new(Some(listener)), address, socket, _backlog: backlog }))
}

/// Of a listener, the kernel tells the length of its queue and the limit in two fields that mean something else for a
/// connection. Over the limit, it answers no further request to connect.
fn is_backlog_full(listener: &TcpListener) -> io::Result<bool> {
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: all-zero is a valid tcp_info; the kernel writes at most `length` bytes into it.
    let info = unsafe {
        let mut info: libc::tcp_info = MaybeUninit::zeroed().assume_init();
        let (level, option) = (libc::IPPROTO_TCP, libc::TCP_INFO);
        let (to, fd) = ((&raw mut info).cast(), listener.as_raw_fd());
        checked(libc::getsockopt(fd, level, option, to, &mut length))?;
        info
    };
    Ok(info.tcpi_unacked > info.tcpi_sacked)
}

impl<L: Send> Blocking for Connecting<L> {
    fn block(&self, script: &Script) -> io::Result<i64> {
        script.counted(self.address.connect(&self.socket))
    }

    fn let_go(&self) -> bool {
        // Closing the listener refuses whoever waits.
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }
}
