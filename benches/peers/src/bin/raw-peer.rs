//! A socket without RPC: frames over a Unix socket, each after its length. The server sends every frame back. This is
//! the lower bound for a stack on tokio's sockets.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use grpc_ipc_bench_peers::raw::{BUFFER, Transfer, closed, frame, whole_frames};
use grpc_ipc_bench_peers::{Client, Latencies, Result, Stack, Until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

fn main() -> ExitCode {
    grpc_ipc_bench_peers::main::<Raw>()
}

struct Raw(UnixStream);

impl Stack for Raw {
    async fn serve(path: &Path, listening: impl FnOnce()) -> Result {
        let listener = UnixListener::bind(path)?;
        listening();
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                if let Err(error) = answer(stream).await {
                    eprintln!("error: {error}");
                }
            });
        }
    }

    async fn connect(path: &Path) -> Result<Self> {
        Ok(Self(UnixStream::connect(path).await?))
    }
}

impl Client for Raw {
    async fn echo(&mut self, payload: &Bytes) -> Result {
        let frame = frame(payload)?;
        let mut answer = vec![0; frame.len()];
        self.0.write_all(&frame).await?;
        self.0.read_exact(&mut answer).await?;
        Ok(())
    }

    async fn echo_many(
        &mut self,
        payload: &Bytes,
        in_flight: u64,
        until: Until,
    ) -> Result<Option<Latencies>> {
        let frame = frame(payload)?;
        let latencies = match in_flight {
            1 => one_by_one(&mut self.0, &frame, until).await,
            _ if frame.len() * in_flight as usize <= BUFFER => {
                in_batches(&mut self.0, &frame, in_flight, until).await
            }
            _ => overlapping(&mut self.0, &frame, in_flight, until).await,
        };
        latencies.map(Some)
    }

    async fn download(&mut self, count: u32, size: u32, awaited: bool) -> Result<Option<()>> {
        if awaited {
            return Ok(None);
        }
        self.0.write_all(&Transfer { is_upload: false, count, size }.encode()).await?;
        let mut message = vec![0; size as usize];
        for _ in 0..count {
            self.0.read_exact(&mut message).await?;
        }
        Ok(Some(()))
    }

    async fn upload(&mut self, count: u32, payload: &Bytes, awaited: bool) -> Result<Option<()>> {
        if awaited {
            return Ok(None);
        }
        let transfer = Transfer { is_upload: true, count, size: payload.len().try_into()? };
        self.0.write_all(&transfer.encode()).await?;
        for _ in 0..count {
            self.0.write_all(payload).await?;
        }
        self.0.read_u8().await?;
        Ok(Some(()))
    }

    async fn exchange(&mut self, payload: &Bytes, until: Until) -> Result<Option<Latencies>> {
        self.echo_many(payload, 1, until).await
    }
}

async fn one_by_one(stream: &mut UnixStream, frame: &[u8], until: Until) -> Result<Latencies> {
    let (mut answer, mut latencies) = (vec![0; frame.len()], Latencies::default());
    let mut begin = Instant::now();
    while !until.reached(latencies.count(), begin) {
        stream.write_all(frame).await?;
        stream.read_exact(&mut answer).await?;
        let end = Instant::now();
        latencies.push(end - begin);
        begin = end;
    }
    Ok(latencies)
}

/// Sends a frame for each that has been received, in one write. The frames in flight fit into the socket's buffer.
async fn in_batches(
    stream: &mut UnixStream,
    frame: &[u8],
    in_flight: u64,
    until: Until,
) -> Result<Latencies> {
    let batch = frame.repeat(in_flight as usize);
    let (mut received, mut latencies) = (BytesMut::new(), Latencies::default());
    let (mut begun, mut started, mut now) = (VecDeque::new(), 0, Instant::now());
    let mut wanted = in_flight;
    loop {
        match until {
            Until::Count(count) => wanted = wanted.min(count - started),
            Until::Instant(end) if now >= end => wanted = 0,
            Until::Instant(_) => {}
        }
        stream.write_all(&batch[..frame.len() * wanted as usize]).await?;
        begun.extend((0..wanted).map(|_| now));
        started += wanted;
        if begun.is_empty() {
            return Ok(latencies);
        }
        read(stream, &mut received).await?;
        let whole = received.len() / frame.len();
        received.advance(whole * frame.len());
        now = Instant::now();
        begun.drain(..whole).for_each(|begun| latencies.push(now - begun));
        wanted = whole as u64;
    }
}

/// Sends and receives at the same time.
async fn overlapping(
    stream: &mut UnixStream,
    frame: &[u8],
    in_flight: u64,
    until: Until,
) -> Result<Latencies> {
    let (mut reader, mut writer) = stream.split();
    let room = Semaphore::new(in_flight as usize);
    let (begun, mut begins) = mpsc::unbounded_channel();
    let write = async {
        let (begun, mut started) = (begun, 0);
        loop {
            room.acquire().await?.forget();
            let now = Instant::now();
            if until.reached(started, now) {
                return Result::Ok(());
            }
            begun.send(now)?;
            writer.write_all(frame).await?;
            started += 1;
        }
    };
    let read = async {
        let (mut answer, mut latencies) = (vec![0; frame.len()], Latencies::default());
        while let Some(begun) = begins.recv().await {
            reader.read_exact(&mut answer).await?;
            latencies.push(begun.elapsed());
            room.add_permits(1);
        }
        Result::Ok(latencies)
    };
    let ((), latencies) = tokio::try_join!(write, read)?;
    Ok(latencies)
}

/// The server's side of a connection.
async fn answer(mut stream: UnixStream) -> io::Result<()> {
    let mut received = BytesMut::new();
    loop {
        match read(&mut stream, &mut received).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            result => result?,
        }
        let whole = whole_frames(&received);
        stream.write_all(&received[..whole]).await?;
        received.advance(whole);
        if let Some(transfer) = Transfer::decode(&received) {
            received.advance(Transfer::LENGTH);
            let mut message = vec![0; transfer.size as usize];
            if transfer.is_upload {
                let mut missing = transfer.bytes() - received.len() as u64;
                received.clear();
                while missing > 0 {
                    let most = message.len().min(missing as usize);
                    missing -= match stream.read(&mut message[..most]).await? {
                        0 => return Err(closed()),
                        read => read as u64,
                    };
                }
                stream.write_u8(0).await?;
            } else {
                for _ in 0..transfer.count {
                    stream.write_all(&message).await?;
                }
            }
        }
    }
}

/// Reads once, at least one byte.
async fn read(stream: &mut UnixStream, received: &mut BytesMut) -> io::Result<()> {
    received.reserve(BUFFER);
    match stream.read_buf(received).await? {
        0 => Err(closed()),
        _ => Ok(()),
    }
}
