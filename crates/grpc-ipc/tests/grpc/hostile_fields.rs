//! Any value in a field: nothing panics, and the code of a status survives.

use grpc_ipc_proto::bench::bench_client::BenchClient;
use tonic::Code;
use tonic::metadata::{KeyAndValueRef, MetadataMap};

use crate::util::frame::{Frame, data, headers_of};
use crate::util::hpack::{integer, literals};
use crate::util::{OK, Seen, UPLOAD, call, chunk, client, message, server};

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a [u8]]) -> &'a [u8] {
        from[self.below(from.len())]
    }

    /// The value of a field: mostly meaningful characters, sometimes any that HTTP allows.
    fn value(&mut self) -> Vec<u8> {
        let length = self.below(12);
        let any = self.below(2) == 0;
        let mut value: Vec<u8> = (0..length)
            .map(|_| match any {
                true => match self.below(256) as u8 {
                    control @ (0..0x20 | 0x7f) => control.wrapping_add(0x80),
                    other => other,
                },
                false => b"%=,*Aa0159+/- E2"[self.below(16)],
            })
            .collect();
        // White space at the start or end makes a message malformed.
        value = value.trim_ascii().to_vec();
        value
    }
}

const NAMES: [&[u8]; 14] = [
    b"grpc-message",
    b"grpc-status-details-bin",
    b"grpc-status-details-bin",
    b"x-bin",
    b"x-bin",
    b"-bin",
    b"x-custom",
    b"grpc-encoding",
    b"grpc-accept-encoding",
    b"grpc-timeout",
    b"grpc-message-type",
    b"te",
    b"user-agent",
    b"grpc-retry-pushback-ms",
];

fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0][..], &integer(0, 7, name.len()), name, &integer(0, 7, value.len()), value].concat()
}

/// Fields with any value; without an encoding if that would be a separate error.
fn fields(random: &mut Random, with_encoding: bool) -> Vec<u8> {
    let mut block = Vec::new();
    for _ in 0..random.below(6) {
        let name = random.pick(&NAMES);
        if name == b"te" || !with_encoding && name == b"grpc-encoding" {
            continue;
        }
        block.extend(literal(name, &random.value()));
    }
    block
}

/// Reads metadata in every possible way.
fn read(metadata: &MetadataMap) {
    for field in metadata.iter() {
        match field {
            KeyAndValueRef::Ascii(_, value) => _ = value.to_str().map(str::len),
            KeyAndValueRef::Binary(_, value) => _ = value.to_bytes().map(|bytes| bytes.len()),
        }
    }
    assert!(!format!("{metadata:?}").is_empty());
}

const ROUNDS: usize = 2000;

#[test]
fn a_client_keeps_the_code_of_a_status_whatever_is_beside_it() {
    client(async |mut peers, client| {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut peer = None;
        for round in 0..ROUNDS {
            let mut client = client.clone();
            let call = tokio::spawn(async move { client.echo(chunk("x")).await });
            if peer.is_none() {
                peer = Some(peers.next().await);
            }
            let peer = peer.as_mut().unwrap();
            let stream = 1 + 2 * round as u32;
            peer.expect_message(stream).await;
            let code = 1 + random.below(16) as i32;
            let status = literal(b"grpc-status", code.to_string().as_bytes());
            let mut block = fields(&mut random, true);
            let at = if random.below(2) == 0 { 0 } else { block.len() };
            block.splice(at..at, status);
            let frames: Vec<Frame> = match random.below(2) {
                0 => vec![headers_of(stream, [literals(&OK), block].concat()).end_stream()],
                _ => {
                    let head = [literals(&OK), fields(&mut random, false)].concat();
                    vec![
                        headers_of(stream, head),
                        data(stream, message(b"x")),
                        headers_of(stream, block).end_stream(),
                    ]
                }
            };
            peer.send_all(&frames).await;
            let status = call.await.expect("the client has panicked").unwrap_err();
            assert_eq!(status.code(), Code::from_i32(code), "round {round}: {status:?}");
            read(status.metadata());
        }
    });
}

#[test]
fn a_client_survives_any_status() {
    client(async |mut peers, client| {
        let mut random = Random(0x1234_5678_9abc_def1);
        let mut peer = None;
        for round in 0..ROUNDS {
            let mut client: BenchClient<_> = client.clone();
            let call = tokio::spawn(async move { client.echo(chunk("x")).await });
            if peer.is_none() {
                peer = Some(peers.next().await);
            }
            let peer = peer.as_mut().unwrap();
            let stream = 1 + 2 * round as u32;
            peer.expect_message(stream).await;
            let mut trailers = fields(&mut random, true);
            for _ in 0..random.below(3) {
                trailers.extend(literal(b"grpc-status", &random.value()));
            }
            let head = [literals(&OK), fields(&mut random, true)].concat();
            let end = headers_of(stream, trailers).end_stream();
            peer.send_all(&[headers_of(stream, head), data(stream, message(b"x")), end]).await;
            match call.await.expect("the client has panicked") {
                Ok(answer) => read(answer.metadata()),
                Err(status) => read(status.metadata()),
            }
        }
    });
}

#[test]
fn a_server_survives_any_metadata() {
    server(async |mut peer, mut seen| {
        let mut random = Random(0x0fed_cba9_8765_4321);
        for round in 0..ROUNDS {
            let stream = 1 + 2 * round as u32;
            let head = [literals(&call(UPLOAD)), fields(&mut random, true)].concat();
            let trailers = headers_of(stream, fields(&mut random, true)).end_stream();
            peer.send_all(&[headers_of(stream, head), data(stream, message(b"x")), trailers]).await;
            // A handler that panics resets its stream.
            let head = peer.expect_on(stream).await;
            assert!(
                head.fields.starts_with(&[(":status".to_owned(), "200".to_owned())]),
                "round {round}: {head:?}"
            );
            while let Ok(seen) = seen.try_recv() {
                match seen {
                    Seen::Call(metadata) | Seen::End(Some(metadata)) => read(&metadata),
                    Seen::Chunk(chunk) => assert_eq!(chunk.unwrap(), "x"),
                    Seen::End(None) => panic!("no trailers"),
                }
            }
        }
    });
}
