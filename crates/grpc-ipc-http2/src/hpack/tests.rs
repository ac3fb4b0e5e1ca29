//! Both directions: the examples of [RFC 7541 appendix C](https://www.rfc-editor.org/rfc/rfc7541#appendix-C), and round
//! trips.

use bytes::Bytes;

use super::{Decoder, Encoder, Field, Indexing};

type Fields<'a> = &'a [(&'a str, &'a str)];

/// The octets of hexadecimal digits; spaces are ignored.
fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn fields(fields: Fields<'_>) -> Vec<Field> {
    fields.iter().map(|(name, value)| Field::new(name, Bytes::copy_from_slice(value.as_bytes()))).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Vec<Field> {
    let mut decoded = Vec::new();
    decoder.decode(block, |field, _| decoded.push(field)).expect("the block is valid");
    decoded
}

/// Decodes the blocks of one connection.
#[track_caller]
fn assert_decoded(table_size: usize, blocks: &[(&str, Fields<'_>)]) {
    let mut decoder = decoder_with(table_size);
    for (block, expected) in blocks {
        assert_eq!(decode(&mut decoder, &octets(block)), fields(expected));
    }
}

/// Encodes the blocks of one connection, every field with incremental indexing.
#[track_caller]
fn assert_encoded(table_size: usize, blocks: &[(&str, Fields<'_>)]) {
    let mut encoder = Encoder::new();
    encoder.set_max_table_size(table_size);
    encoder.begin(&mut Vec::new());
    for (expected, fields) in blocks {
        let mut block = Vec::new();
        encoder.begin(&mut block);
        for (name, value) in *fields {
            encoder.encode(name.as_bytes(), value.as_bytes(), Indexing::Index, &mut block);
        }
        assert_eq!(block, octets(expected));
    }
}

/// A decoder after an update of its table to that size.
fn decoder_with(table_size: usize) -> Decoder {
    let mut encoder = Encoder::new();
    encoder.set_max_table_size(table_size);
    let mut block = Vec::new();
    encoder.begin(&mut block);
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, &block);
    decoder
}

/// The dynamic table, newest entry first.
#[track_caller]
fn assert_table(decoder: &mut Decoder, expected: Fields<'_>) {
    for (position, field) in fields(expected).into_iter().enumerate() {
        assert_eq!(decode(decoder, &[0x80 + 62 + position as u8]), [field]);
    }
    let next = [0x80 + 62 + expected.len() as u8];
    decoder.decode(&next, |field, _| panic!("also {field:?}")).expect_err("that is all");
}

#[test]
fn appendix_c_2_1_literal_with_indexing() {
    let mut decoder = Decoder::new(4096);
    let block = octets("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
    let expected: Fields<'_> = &[("custom-key", "custom-header")];
    assert_eq!(decode(&mut decoder, &block), fields(expected));
    assert_table(&mut decoder, expected);
}

#[test]
fn appendix_c_2_2_literal_without_indexing() {
    let mut decoder = Decoder::new(4096);
    let block = octets("040c 2f73 616d 706c 652f 7061 7468");
    assert_eq!(decode(&mut decoder, &block), fields(&[(":path", "/sample/path")]));
    assert_table(&mut decoder, &[]);
}

#[test]
fn appendix_c_2_3_literal_never_indexed() {
    let mut decoder = Decoder::new(4096);
    let block = octets("1008 7061 7373 776f 7264 0673 6563 7265 74");
    assert_eq!(decode(&mut decoder, &block), fields(&[("password", "secret")]));
    assert_table(&mut decoder, &[]);
}

#[test]
fn appendix_c_2_4_indexed() {
    let mut decoder = Decoder::new(4096);
    assert_eq!(decode(&mut decoder, &octets("82")), fields(&[(":method", "GET")]));
    assert_table(&mut decoder, &[]);
}

const REQUESTS: [Fields<'_>; 3] = [
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

const REQUESTS_TABLE: Fields<'_> =
    &[("custom-key", "custom-value"), ("cache-control", "no-cache"), (":authority", "www.example.com")];

const RESPONSES: [Fields<'_>; 3] = [
    &[
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "307"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
    ],
];

/// The tables after each response. Each response evicts entries.
const RESPONSES_TABLES: [Fields<'_>; 3] = [
    &[
        ("location", "https://www.example.com"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("cache-control", "private"),
        (":status", "302"),
    ],
    &[
        (":status", "307"),
        ("location", "https://www.example.com"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("cache-control", "private"),
    ],
    &[
        ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
        ("content-encoding", "gzip"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
    ],
];

const REQUESTS_PLAIN: [&str; 3] = [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
];

const REQUESTS_HUFFMAN: [&str; 3] = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
];

const RESPONSES_PLAIN: [&str; 3] = [
    "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 \
     2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 \
     6c65 2e63 6f6d",
    "4803 3330 37c1 c0bf",
    "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d \
     54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 \
     5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e \
     3d31",
];

const RESPONSES_HUFFMAN: [&str; 3] = [
    "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
     2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    "4883 640e ffc1 c0bf",
    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab \
     77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f \
     9587 3160 65c0 03ed 4ee5 b106 3d50 07",
];

fn pairs<'a>(blocks: [&'a str; 3], fields: [Fields<'a>; 3]) -> [(&'a str, Fields<'a>); 3] {
    std::array::from_fn(|at| (blocks[at], fields[at]))
}

#[test]
fn appendix_c_3_requests_without_huffman() {
    assert_decoded(4096, &pairs(REQUESTS_PLAIN, REQUESTS));
}

#[test]
fn appendix_c_3_3_the_table_after_the_requests() {
    let mut decoder = Decoder::new(4096);
    for block in REQUESTS_PLAIN {
        decode(&mut decoder, &octets(block));
    }
    assert_table(&mut decoder, REQUESTS_TABLE);
}

#[test]
fn appendix_c_4_requests_with_huffman() {
    assert_decoded(4096, &pairs(REQUESTS_HUFFMAN, REQUESTS));
    assert_encoded(4096, &pairs(REQUESTS_HUFFMAN, REQUESTS));
}

#[test]
fn appendix_c_5_responses_without_huffman_in_a_table_of_256_octets() {
    assert_decoded(256, &pairs(RESPONSES_PLAIN, RESPONSES));
}

#[test]
fn appendix_c_5_the_tables_after_each_response() {
    for count in 1..=RESPONSES_PLAIN.len() {
        let mut decoder = decoder_with(256);
        for block in &RESPONSES_PLAIN[..count] {
            decode(&mut decoder, &octets(block));
        }
        assert_table(&mut decoder, RESPONSES_TABLES[count - 1]);
    }
}

#[test]
fn appendix_c_6_responses_with_huffman_in_a_table_of_256_octets() {
    assert_decoded(256, &pairs(RESPONSES_HUFFMAN, RESPONSES));
    // "307" has three octets either way. The example uses Huffman encoding, which is more work for the peer.
    let [first, _, third] = RESPONSES_HUFFMAN;
    assert_encoded(256, &pairs([first, "4803 3330 37c1 c0bf", third], RESPONSES));
}

/// Pseudo-random numbers that are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn octets(&mut self, limit: usize) -> Vec<u8> {
        (0..self.below(limit)).map(|_| self.below(256) as u8).collect()
    }
}

#[test]
fn what_is_encoded_is_decoded_whatever_the_table_did() {
    let mut numbers = Numbers(7541);
    let names =
        [":path", ":status", "te", "content-type", "grpc-timeout", "x-a", "x-b", "x-c", "X-Malformed"];
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    for _ in 0..if cfg!(miri) { 40 } else { 2000 } {
        for _ in 0..numbers.below(3) {
            let size = [0, 40, 100, 300, 1000, 4096, 10_000][numbers.below(7)];
            encoder.set_max_table_size(size);
        }
        let mut block = Vec::new();
        let mut expected = Vec::new();
        encoder.begin(&mut block);
        for _ in 0..numbers.below(12) {
            let name = names[numbers.below(names.len())];
            let value = match numbers.below(3) {
                0 => numbers.octets(60),
                1 => b"v".repeat(numbers.below(300)),
                _ => numbers.below(20).to_string().into_bytes(),
            };
            let indexing =
                [Indexing::Index, Indexing::Index, Indexing::No, Indexing::Never][numbers.below(4)];
            encoder.encode(name.as_bytes(), &value, indexing, &mut block);
            expected.push(Field::new(name, value.into()));
        }
        assert_eq!(decode(&mut decoder, &block), expected);
    }
}

#[test]
fn a_block_of_any_octets_is_decoded_or_an_error() {
    let mut numbers = Numbers(9113);
    let mut decoded = 0;
    let blocks = if cfg!(miri) { 400 } else { 20_000 };
    for _ in 0..blocks {
        let mut decoder = Decoder::new(4096);
        let block = numbers.octets(24);
        decoded += usize::from(decoder.decode(&block, |_, _| {}).is_ok());
    }
    assert!((1..blocks).contains(&decoded), "{decoded} blocks were decoded");
}
