//! A socket without RPC and without a runtime: the protocol of `raw-peer` with blocking reads and writes, and a thread for
//! each connection of the server. This is the lower bound for any stack on Unix sockets.
#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use grpc_ipc_bench_peers::raw::{BUFFER, Transfer, closed, frame, whole_frames};
use grpc_ipc_bench_peers::{Client, Latencies, Result, Stack, Until};

fn main() -> ExitCode {
    grpc_ipc_bench_peers::main::<Blocking>()
}

/// The only task of the client is the measurement, which may block.
struct Blocking(UnixStream);

impl Stack for Blocking {
    async fn serve(path: &Path, listening: impl FnOnce()) -> Result {
        let listener = UnixListener::bind(path)?;
        listening();
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(|| {
                    if let Err(error) = stream.and_then(answer) {
                        eprintln!("error: {error}");
                    }
                });
            }
        });
        std::future::pending().await
    }

    async fn connect(path: &Path) -> Result<Self> {
        Ok(Self(UnixStream::connect(path)?))
    }
}

impl Client for Blocking {
    async fn echo(&mut self, payload: &Bytes) -> Result {
        one_by_one(&self.0, &frame(payload)?, Until::Count(1))?;
        Ok(())
    }

    async fn echo_many(
        &mut self,
        payload: &Bytes,
        in_flight: u64,
        until: Until,
    ) -> Result<Option<Latencies>> {
        if in_flight > 1 {
            return Ok(None);
        }
        Ok(Some(one_by_one(&self.0, &frame(payload)?, until)?))
    }

    async fn download(&mut self, count: u32, size: u32, awaited: bool) -> Result<Option<()>> {
        if awaited {
            return Ok(None);
        }
        self.0.write_all(&Transfer { is_upload: false, count, size }.encode())?;
        let mut message = vec![0; size as usize];
        for _ in 0..count {
            self.0.read_exact(&mut message)?;
        }
        Ok(Some(()))
    }

    async fn upload(&mut self, count: u32, payload: &Bytes, awaited: bool) -> Result<Option<()>> {
        if awaited {
            return Ok(None);
        }
        let transfer = Transfer { is_upload: true, count, size: payload.len().try_into()? };
        self.0.write_all(&transfer.encode())?;
        for _ in 0..count {
            self.0.write_all(payload)?;
        }
        self.0.read_exact(&mut [0])?;
        Ok(Some(()))
    }

    async fn exchange(&mut self, payload: &Bytes, until: Until) -> Result<Option<Latencies>> {
        self.echo_many(payload, 1, until).await
    }
}

fn one_by_one(mut stream: &UnixStream, frame: &[u8], until: Until) -> io::Result<Latencies> {
    let (mut answer, mut latencies) = (vec![0; frame.len()], Latencies::default());
    let mut begin = Instant::now();
    while !until.reached(latencies.count(), begin) {
        stream.write_all(frame)?;
        stream.read_exact(&mut answer)?;
        let end = Instant::now();
        latencies.push(end - begin);
        begin = end;
    }
    Ok(latencies)
}

/// The server's side of a connection.
fn answer(mut stream: UnixStream) -> io::Result<()> {
    let (mut received, mut buffer) = (Vec::new(), vec![0; BUFFER]);
    loop {
        let read = match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => &buffer[..read],
        };
        // Most often, these are whole frames.
        let whole = if received.is_empty() { whole_frames(read) } else { 0 };
        stream.write_all(&read[..whole])?;
        received.extend_from_slice(&read[whole..]);
        let whole = whole_frames(&received);
        stream.write_all(&received[..whole])?;
        received.drain(..whole);
        if let Some(transfer) = Transfer::decode(&received) {
            received.drain(..Transfer::LENGTH);
            let mut message = vec![0; transfer.size as usize];
            if transfer.is_upload {
                let mut missing = transfer.bytes() - received.len() as u64;
                received.clear();
                while missing > 0 {
                    let most = message.len().min(missing as usize);
                    missing -= match stream.read(&mut message[..most])? {
                        0 => return Err(closed()),
                        read => read as u64,
                    };
                }
                stream.write_all(&[0])?;
            } else {
                for _ in 0..transfer.count {
                    stream.write_all(&message)?;
                }
            }
        }
    }
}
