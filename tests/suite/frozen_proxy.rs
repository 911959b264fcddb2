//! A way to a database that can be frozen: connections stay whole, and nothing comes through, as when a server is suspended
//! or a network swallows everything.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Forwards what comes to its port until it is frozen.
pub(super) struct Proxy {
    port: u16,
    frozen: Arc<(Mutex<bool>, Condvar)>,
}

impl Proxy {
    /// Forwards to the server of an address.
    pub(super) fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), frozen: Arc::default() };
        let frozen = Arc::clone(&proxy.frozen);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", server_port)).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (there, here) = (Arc::clone(&frozen), Arc::clone(&frozen));
                thread::spawn(move || forward(client, server, &there));
                thread::spawn(move || forward(back.0, back.1, &here));
            }
        });
        proxy
    }

    /// The address of the same database through this proxy.
    pub(super) fn through(&self, address: &str, server_port: u16) -> String {
        address.replace(&format!(":{server_port}/"), &format!(":{}/", self.port))
    }

    /// Lets nothing through, or everything again.
    pub(super) fn freeze(&self, frozen: bool) {
        *self.frozen.0.lock().unwrap() = frozen;
        self.frozen.1.notify_all();
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, frozen: &(Mutex<bool>, Condvar)) {
    let mut bytes = vec![0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let is_frozen = frozen.0.lock().unwrap();
        drop(frozen.1.wait_while(is_frozen, |is_frozen| *is_frozen).unwrap());
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
