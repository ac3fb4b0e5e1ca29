//! A call: its request, and the actions of its handler.

use std::time::Duration;

use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::random::Random;

/// The limit of messages at both ends, if a call limits them.
pub(crate) const LIMIT: usize = 2000;
/// Close to the sizes of frames, windows, reads, and the threshold of large messages. With the field's key and length,
/// a message is a little longer than its payload.
const SIZES: [usize; 14] =
    [0, 1, 100, LIMIT, 4096, 9_000, 16_379, 16_384, 32_768, 65_535, 65_536, 131_072, 1 << 20, 4 << 20];

/// In the metadata of a call whose handler is never ready. The handler may run after the caller has given up.
pub(crate) const HANG: &str = "x-hang";

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) size: usize,
    pub(crate) metadata: MetadataMap,
    pub(crate) timeout: Option<Duration>,
    pub(crate) limit_encoding: Option<usize>,
    pub(crate) limit_decoding: Option<usize>,
    pub(crate) handler: Handler,
}

#[derive(Clone, Debug)]
pub(crate) struct Handler {
    /// How often it is not ready.
    pub(crate) waits: usize,
    pub(crate) does: Does,
}

#[derive(Clone, Debug)]
pub(crate) enum Does {
    Answer(usize, MetadataMap),
    Fail(Box<Status>),
    Panic,
    /// It is never ready, and reports nothing.
    Hang,
}

impl Call {
    /// An ordinary call.
    pub(crate) fn plain() -> Self {
        Self {
            size: 0,
            metadata: MetadataMap::new(),
            timeout: None,
            limit_encoding: None,
            limit_decoding: None,
            handler: Handler { waits: 0, does: Does::Answer(0, MetadataMap::new()) },
        }
    }

    pub(crate) fn random(random: &mut Random) -> Self {
        let limit = |random: &mut Random| random.one_in(4).then(|| LIMIT - 2 + random.below(8));
        let (mut limit_encoding, limit_decoding) = (limit(random), limit(random));
        let does = match random.below(10) {
            0 | 1 => Does::Fail(Box::new(status(random))),
            2 if random.one_in(3) => Does::Panic,
            3 if random.one_in(3) => Does::Hang,
            _ => Does::Answer(size(random), metadata(random)),
        };
        let timeout = match &does {
            // Long enough for the client to send the request, or not.
            Does::Hang => Some(random.pick(&[Duration::from_nanos(1), Duration::from_millis(2)])),
            _ => random.one_in(4).then_some(Duration::from_secs(3600)),
        };
        let waits = random.pick(&[0, 0, 0, 1, 5]);
        let mut metadata_of_request = metadata(random);
        if let Does::Hang = does {
            // Its deadline may pass before another error is found.
            limit_encoding = None;
            metadata_of_request.clear();
            metadata_of_request.insert(HANG, MetadataValue::from_static("1"));
        }
        Self {
            size: size(random),
            metadata: metadata_of_request,
            timeout,
            limit_encoding,
            limit_decoding,
            handler: Handler { waits, does },
        }
    }

    /// Whether it can be direct: it is not large, and has no metadata that only tonic can send.
    pub(crate) fn may_be_direct(&self) -> bool {
        self.size < LIMIT / 2 && self.metadata.keys().all(|key| !is_reserved(key)) && !self.hangs()
    }

    pub(crate) fn hangs(&self) -> bool {
        matches!(self.handler.does, Does::Hang)
    }
}

pub(crate) fn is_reserved(key: tonic::metadata::KeyRef<'_>) -> bool {
    let tonic::metadata::KeyRef::Ascii(key) = key else { return false };
    ["te", "content-type", "grpc-status", "grpc-message", "grpc-message-type", "user-agent"]
        .contains(&key.as_str())
}

pub(crate) fn size(random: &mut Random) -> usize {
    let sizes = if random.one_in(3) { &SIZES[..] } else { &SIZES[..5] };
    let size = random.pick(sizes);
    // A megabyte is slow through small windows.
    let size = if size > 1 << 17 && !random.one_in(4) { 1 << 17 } else { size };
    (size + random.below(14)).saturating_sub(8)
}

/// Fields of both kinds, several values of one name, reserved fields, and sensitive values.
pub(crate) fn metadata(random: &mut Random) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    if random.one_in(2) {
        return metadata;
    }
    for _ in 0..random.below(6) {
        match random.below(12) {
            0..=4 => {
                let key =
                    random.pick(&["x-one", "x-two", "authorization", "x", "grpc-previous-rpc-attempts"]);
                let text = random.pick(&["", "1", "some value", "a,b", "\t~ !", "%20"]);
                let mut value: MetadataValue<_> = text.trim().parse().unwrap();
                value.set_sensitive(random.one_in(4));
                metadata.append(key, value);
            }
            5..=8 => {
                let key = random.pick(&["x-one-bin", "x-two-bin"]);
                let bytes = random.pick(&[&b""[..], b"\0", b"\xff\xfe,", b"many more bytes"]);
                metadata.append_bin(key, MetadataValue::from_bytes(bytes));
            }
            9 => {
                let length = random.pick(&[10, 127, 128, 400, 2000]);
                metadata.append("x-long", "v".repeat(length).parse().unwrap());
            }
            _ => {
                let key = random.pick(&[
                    "te",
                    "content-type",
                    "grpc-status",
                    "grpc-message",
                    "grpc-message-type",
                    "user-agent",
                ]);
                metadata.append(MetadataKey::from_static(key), "9".parse().unwrap());
            }
        }
    }
    metadata
}

pub(crate) fn status(random: &mut Random) -> Status {
    let code = Code::from_i32(random.below(17) as i32);
    let message = random.pick(&["", "plain", "100% \u{e4}\u{20ac}\r\n", "%41", "\0\u{7f}", " spaces "]);
    let details = random.pick(&[&b""[..], b"\0", b"\xff\xfe\xfd", b"details of it"]);
    Status::with_details_and_metadata(code, message, details.into(), metadata(random))
}
