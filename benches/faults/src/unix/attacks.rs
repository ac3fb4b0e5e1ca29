//! Floods of frames: the server ends each connection that sends one. And a client that does not read its responses: the
//! server keeps a bounded part of them. Meanwhile, the calls of another client are answered in time.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::bystander::Bystander;
use super::child::Child;
use super::proc::private_memory;
use super::report::Report;
use super::{Result, Scale};

// Types of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const CANCEL: [u8; 4] = [0, 0, 0, 8];
const ENHANCE_YOUR_CALM: u32 = 11;

/// The default of `Http2Options::max_unsent`.
const MAX_UNSENT: u64 = 128 << 20;

/// The bytes that the attack sends for a stream's id.
type Attack = fn(u32) -> Vec<u8>;

pub(crate) async fn run(scale: Scale, report: &mut Report) -> Result {
    let directory = tempfile::tempdir()?;
    let socket = directory.path().join("s.sock");
    let address = format!("unix:{}", socket.display());
    let mut server = Child::start(&["role-server", &address])?;
    server.line()?;
    let attacks: [(&str, Attack); 3] = [
        ("rapid reset (CVE-2023-44487)", |id| [call(id), frame(RST_STREAM, 0, id, &CANCEL)].concat()),
        // An increment of 0 is an error of the stream, which the server resets.
        ("streams that the server resets (CVE-2025-8671)", |id| {
            [call(id), frame(WINDOW_UPDATE, 0, id, &[0; 4])].concat()
        }),
        ("empty DATA on 100 open streams (RUSTSEC-2026-0258)", |id| match id {
            1..200 => call(id),
            _ => frame(DATA, 0, id % 200, &[]),
        }),
    ];
    for (name, attack) in attacks {
        let bystander = Bystander::start(&address).await?;
        let socket = socket.clone();
        let ended = tokio::task::spawn_blocking(move || flood(&socket, attack)).await??;
        report.count(name, format!("{} times", ended.sent));
        report.require(ended.code == Some(ENHANCE_YOUR_CALM), "  the server has ended the connection");
        bystander.report(report).await?;
    }
    unread(scale, report, &address, socket, server.id()).await
}

/// A client asks for large responses, and reads none of them.
async fn unread(scale: Scale, report: &mut Report, address: &str, socket: PathBuf, server: u32) -> Result {
    let count = scale.of(300, 60);
    let before = private_memory(server)?;
    let bystander = Bystander::start(address).await?;
    let (refused, connection) =
        tokio::task::spawn_blocking(move || ask_and_take_nothing(&socket, count)).await??;
    let held = private_memory(server)?.saturating_sub(before);
    report.count("responses of 4 MiB that a client does not read", count);
    report.count("  calls that end without a response", refused);
    report.count("  memory of the server", format!("{} MiB", held >> 20));
    report.require(held < MAX_UNSENT + MAX_UNSENT / 2, "  memory is bounded");
    bystander.report(report).await?;
    drop(connection);
    Ok(())
}

struct Ended {
    /// How often the client has repeated the attack.
    sent: usize,
    /// The code of the server's GOAWAY.
    code: Option<u32>,
}

/// Repeats the attack until the server has closed the connection.
fn flood(socket: &Path, attack: Attack) -> Result<Ended> {
    let mut connection = connect(socket, &[])?;
    // The server closes once it has read everything, so what it sends is read at the same time.
    let mut reader = connection.try_clone()?;
    let received = thread::spawn(move || {
        let mut received = Vec::new();
        // The end may be a reset.
        _ = reader.read_to_end(&mut received);
        received
    });
    let mut sent = 0;
    let mut ids = (1..1 << 31).step_by(2);
    loop {
        let frames: Vec<_> = ids.by_ref().take(100).flat_map(attack).collect();
        if connection.write_all(&frames).is_err() {
            break;
        }
        sent += 100;
    }
    let received = received.join().map_err(|_| "the reader has panicked")?;
    let code = Frames(&received).find(|frame| frame.kind == GOAWAY).map(|frame| frame.number(4));
    Ok(Ended { sent, code })
}

/// Returns how many of `count` calls end with only a status, and the connection.
fn ask_and_take_nothing(socket: &Path, count: usize) -> Result<(usize, UnixStream)> {
    // INITIAL_WINDOW_SIZE of 0.
    let mut connection = connect(socket, &[0, 4, 0, 0, 0, 0])?;
    // The prefix, and a message `Range` with a length of 4 MiB.
    let message = [0, 0, 0, 0, 5, 0x08, 0x80, 0x80, 0x80, 0x02];
    for id in (1_u32..).step_by(2).take(count) {
        connection.write_all(&[call(id), frame(DATA, END_STREAM, id, &message)].concat())?;
    }
    // The server waits for 5 seconds for the client to take something.
    connection.set_read_timeout(Some(Duration::from_secs(8)))?;
    let (mut received, mut buffer) = (Vec::new(), [0; 16 << 10]);
    let mut refused = 0;
    while let Ok(length @ 1..) = connection.read(&mut buffer) {
        received.extend_from_slice(&buffer[..length]);
        refused =
            Frames(&received).filter(|frame| frame.kind == HEADERS && frame.flags & END_STREAM != 0).count();
        if refused > 0 {
            // The others follow at once.
            connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        }
    }
    Ok((refused, connection))
}

fn connect(socket: &Path, settings: &[u8]) -> Result<UnixStream> {
    let mut connection = UnixStream::connect(socket)?;
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    connection.write_all(&frame(SETTINGS, 0, 0, settings))?;
    Ok(connection)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// HEADERS of a call of `Ledger/Read`, whose message follows.
fn call(stream: u32) -> Vec<u8> {
    let literal = |name: &[u8], value: &str| [name, &[value.len() as u8], value.as_bytes()].concat();
    let block = [
        // POST and http, of the static table, and other values for names there.
        vec![0x83, 0x86],
        literal(&[0x04], "/faults.Ledger/Read"),
        literal(&[0x01], "localhost"),
        literal(&[0x0f, 0x10], "application/grpc"),
        literal(b"\x00\x02te", "trailers"),
    ];
    frame(HEADERS, END_HEADERS, stream, &block.concat())
}

/// The frames that have been received.
struct Frames<'a>(&'a [u8]);

struct Frame<'a> {
    kind: u8,
    flags: u8,
    payload: &'a [u8],
}

impl Frame<'_> {
    /// Four bytes of the payload, or 0 if they are missing.
    fn number(&self, at: usize) -> u32 {
        self.payload.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let (head, rest) = self.0.split_first_chunk::<9>()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Frame { kind: head[3], flags: head[4], payload })
    }
}
