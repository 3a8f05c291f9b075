//! Sockets that nobody writes or connects to.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::blocking::{Blocking, Script};

fn listener() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

struct Receiving {
    from: TcpStream,
    to: TcpStream,
}

pub(in crate::blocking) fn recv() -> io::Result<Arc<dyn Blocking>> {
    let listener = listener()?;
    let to = TcpStream::connect(listener.local_addr()?)?;
    let (from, _) = listener.accept()?;
    Ok(Arc::new(Receiving { from, to }))
}

impl Blocking for Receiving {
    fn block(&self, script: &Script) -> io::Result<i64> {
        script.counted((&self.from).read(&mut [0; 1]).map(|count| count as i64))
    }

    fn let_go(&self) -> bool {
        (&self.to).write(b"g").is_ok()
    }
}

struct Accepting {
    listener: TcpListener,
    client: Mutex<Option<TcpStream>>,
}

pub(in crate::blocking) fn accept() -> io::Result<Arc<dyn Blocking>> {
    Ok(Arc::new(Accepting { listener: listener()?, client: Mutex::new(None) }))
}

impl Blocking for Accepting {
    fn block(&self, script: &Script) -> io::Result<i64> {
        script.counted(self.listener.accept().map(|_| 0))
    }

    fn let_go(&self) -> bool {
        // Ready at once: the listener has room in its backlog.
        let client = self.listener.local_addr().and_then(TcpStream::connect);
        let connected = client.is_ok();
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client.ok();
        connected
    }
}
