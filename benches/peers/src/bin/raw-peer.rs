//! A socket without RPC: frames over a Unix socket, each after its length. The server sends every frame back. This is
//! the lower bound for a stack on tokio's sockets.
#![forbid(unsafe_code)]

use std::io;
use std::path::Path;
use std::process::ExitCode;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use grpc_ipc_bench_peers::{Result, Stack, Until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// The length before a frame, 4 bytes in network byte order. The length 0 requests a download instead, and is followed
/// by the number and the size of its messages, 4 bytes each.
const HEAD: usize = 4;
const TRANSFER: usize = HEAD + 8;

/// The maximum size of a read.
const BUFFER: usize = 64 * 1024;

fn main() -> ExitCode {
    grpc_ipc_bench_peers::main::<Raw>()
}

struct Raw {
    stream: UnixStream,
    received: BytesMut,
    /// Memory for large answers.
    answer: Vec<u8>,
}

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
        Ok(Self { stream: UnixStream::connect(path).await?, received: BytesMut::new(), answer: Vec::new() })
    }

    async fn echo(&mut self, payload: &Bytes) -> Result {
        self.echo_many(payload, 1, Until::Count(1)).await?;
        Ok(())
    }

    async fn echo_many(&mut self, payload: &Bytes, in_flight: u64, until: Until) -> Result<u64> {
        let mut frame = BytesMut::new();
        frame.put_u32(payload.len().try_into()?);
        frame.put_slice(payload);
        let batch = frame.repeat(in_flight.try_into()?);
        if batch.len() > BUFFER && in_flight > 1 {
            return Err("more in flight than a socket holds: both sides would wait to write".into());
        }

        let (mut started, mut answered, mut wanted) = (0, 0, in_flight);
        loop {
            if let Until::Count(count) = until {
                wanted = wanted.min(count - started);
            } else if until.reached(answered) {
                wanted = 0;
            }
            self.stream.write_all(&batch[..frame.len() * wanted as usize]).await?;
            started += wanted;
            if started == answered {
                return Ok(answered);
            }
            read(&mut self.stream, &mut self.received).await?;
            let whole = self.received.len() / frame.len();
            self.received.advance(whole * frame.len());
            wanted = whole as u64;
            answered += wanted;
        }
    }

    async fn echo_large(&mut self, payload: &Bytes) -> Option<Result> {
        Some(exchange(&mut self.stream, &mut self.answer, payload).await)
    }

    async fn download(&mut self, count: u32, size: u32) -> Option<Result> {
        Some(receive(&mut self.stream, count, size).await.map_err(Into::into))
    }
}

/// The client's side of a large call. Only the socket copies data.
async fn exchange(stream: &mut UnixStream, answer: &mut Vec<u8>, payload: &Bytes) -> Result {
    answer.resize(HEAD + payload.len(), 0);
    stream.write_all(&u32::try_from(payload.len())?.to_be_bytes()).await?;
    stream.write_all(payload).await?;
    stream.read_exact(answer).await?;
    Ok(())
}

/// The client's side of a download.
async fn receive(stream: &mut UnixStream, count: u32, size: u32) -> io::Result<()> {
    let mut transfer = BytesMut::with_capacity(TRANSFER);
    transfer.put_u32(0);
    transfer.put_u32(count);
    transfer.put_u32(size);
    stream.write_all(&transfer).await?;
    let mut message = vec![0; size as usize];
    for _ in 0..count {
        stream.read_exact(&mut message).await?;
    }
    Ok(())
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
        if received.len() >= TRANSFER && received[..HEAD] == [0; HEAD] {
            received.advance(HEAD);
            let (count, size) = (received.get_u32(), received.get_u32());
            let message = vec![0; size as usize];
            for _ in 0..count {
                stream.write_all(&message).await?;
            }
        }
    }
}

/// Reads once, at least one byte.
async fn read(stream: &mut UnixStream, received: &mut BytesMut) -> io::Result<()> {
    received.reserve(BUFFER);
    match stream.read_buf(received).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// The length of the whole frames at the start of `received`.
fn whole_frames(received: &[u8]) -> usize {
    let mut whole = 0;
    while let Some(mut head) = received.get(whole..whole + HEAD) {
        let frame = HEAD + head.get_u32() as usize;
        if frame == HEAD || whole + frame > received.len() {
            break;
        }
        whole += frame;
    }
    whole
}
