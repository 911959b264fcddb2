//! A way to a database that can be frozen: connections stay whole, and nothing comes through, as when a server is suspended
//! or a network swallows everything. Or it loses the answer to a commit, and the connection with it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Forwards what comes to its port until it is frozen.
pub(super) struct Proxy {
    port: u16,
    frozen: Arc<(Mutex<bool>, Condvar)>,
    /// So many answers to commits are still to be lost.
    to_lose: Arc<AtomicU32>,
}

impl Proxy {
    /// Forwards to the server of an address.
    pub(super) fn to(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy =
            Self { port: listener.local_addr().unwrap().port(), frozen: Arc::default(), to_lose: Arc::default() };
        let (frozen, to_lose) = (Arc::clone(&proxy.frozen), Arc::clone(&proxy.to_lose));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(("127.0.0.1", server_port)).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (there, here, to_lose) = (Arc::clone(&frozen), Arc::clone(&frozen), Arc::clone(&to_lose));
                thread::spawn(move || forward(client, server, &there, None));
                thread::spawn(move || forward(back.0, back.1, &here, Some(&to_lose)));
            }
        });
        proxy
    }

    /// The address of the same database through this proxy.
    pub(super) fn through(&self, address: &str, server_port: u16) -> String {
        address.replace(&format!(":{server_port}/"), &format!(":{}/", self.port))
    }

    /// Loses so many answers that say that something is committed.
    pub(super) fn lose_answers(&self, count: u32) {
        self.to_lose.store(count, Ordering::Relaxed);
    }

    /// How many are still to be lost.
    pub(super) fn answers_to_lose(&self) -> u32 {
        self.to_lose.load(Ordering::Relaxed)
    }

    /// Lets nothing through, or everything again.
    pub(super) fn freeze(&self, frozen: bool) {
        *self.frozen.0.lock().unwrap() = frozen;
        self.frozen.1.notify_all();
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, frozen: &(Mutex<bool>, Condvar), to_lose: Option<&AtomicU32>) {
    let mut bytes = vec![0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let is_frozen = frozen.0.lock().unwrap();
        drop(frozen.1.wait_while(is_frozen, |is_frozen| *is_frozen).unwrap());
        let commits = bytes[..count].windows(7).any(|word| word == b"COMMIT\0");
        let less = |left: u32| left.checked_sub(1);
        if commits && to_lose.is_some_and(|left| left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok())
        {
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
