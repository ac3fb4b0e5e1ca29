//! Integers ([RFC 7541 section 5.1](https://www.rfc-editor.org/rfc/rfc7541#section-5.1)).

use super::DecodeError;

/// The maximum number of octets after the prefix for 2^32 - 1.
const MAX_CONTINUATION: u32 = 5;

/// Takes an integer off the front of `input`. Its first part is in the lowest `prefix_bits` bits of the first octet.
pub(super) fn decode(prefix_bits: u32, input: &mut &[u8]) -> Result<usize, DecodeError> {
    let prefix_max = prefix_max(prefix_bits);
    let prefix = take_octet(input)? & prefix_max;
    if prefix < prefix_max {
        return Ok(prefix.into());
    }
    let mut value = u64::from(prefix_max);
    for position in 0..MAX_CONTINUATION {
        let octet = take_octet(input)?;
        value += u64::from(octet & 0x7f) << (7 * position);
        if octet & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| DecodeError::IntegerOverflow)?;
            return usize::try_from(value).map_err(|_| DecodeError::IntegerOverflow);
        }
    }
    Err(DecodeError::IntegerOverflow)
}

/// Appends `value`. `pattern` is the first octet's content above the lowest `prefix_bits` bits.
pub(super) fn encode(mut value: usize, prefix_bits: u32, pattern: u8, out: &mut Vec<u8>) {
    let prefix_max = prefix_max(prefix_bits);
    if value < usize::from(prefix_max) {
        out.push(pattern | value as u8);
        return;
    }
    out.push(pattern | prefix_max);
    value -= usize::from(prefix_max);
    while value >= 0x80 {
        out.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The prefix value that means that more octets follow.
fn prefix_max(prefix_bits: u32) -> u8 {
    debug_assert!((1..=8).contains(&prefix_bits), "a prefix of {prefix_bits} bits");
    u8::MAX >> (8 - prefix_bits)
}

fn take_octet(input: &mut &[u8]) -> Result<u8, DecodeError> {
    input.split_off_first().copied().ok_or(DecodeError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::hpack::DecodeError;

    #[track_caller]
    fn both_ways(value: usize, prefix_bits: u32, octets: &[u8]) {
        let mut out = Vec::new();
        encode(value, prefix_bits, 0, &mut out);
        assert_eq!(out, octets);
        let mut input = octets;
        assert_eq!(decode(prefix_bits, &mut input), Ok(value));
        assert_eq!(input, [], "nothing is left");
    }

    #[test]
    fn appendix_c_1_1_ten_in_a_5_bit_prefix() {
        both_ways(10, 5, &[0x0a]);
    }

    #[test]
    fn appendix_c_1_2_1337_in_a_5_bit_prefix() {
        both_ways(1337, 5, &[0x1f, 0x9a, 0x0a]);
    }

    #[test]
    fn appendix_c_1_3_42_at_an_octet_boundary() {
        both_ways(42, 8, &[0x2a]);
    }

    #[test]
    fn section_5_1_a_full_prefix_is_followed_by_a_zero() {
        both_ways(30, 5, &[0x1e]);
        both_ways(31, 5, &[0x1f, 0x00]);
        both_ways(1, 1, &[0x01, 0x00]);
    }

    #[test]
    fn section_5_1_bits_above_the_prefix_are_not_part_of_the_integer() {
        let mut out = Vec::new();
        encode(10, 5, 0xe0, &mut out);
        assert_eq!(out, [0xea]);
        assert_eq!(decode(5, &mut &out[..]), Ok(10));
    }

    #[test]
    fn section_5_1_every_prefix_carries_every_magnitude() {
        for prefix_bits in 1..=8 {
            for magnitude in 0..32 {
                for value in [(1 << magnitude) - 1, 1 << magnitude, u32::MAX as usize >> magnitude] {
                    let mut out = Vec::new();
                    encode(value, prefix_bits, 0, &mut out);
                    assert_eq!(decode(prefix_bits, &mut &out[..]), Ok(value));
                }
            }
        }
    }

    #[test]
    fn section_5_1_an_integer_above_32_bits_is_an_error() {
        let mut largest: &[u8] = &[0x1f, 0xe0, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(decode(5, &mut largest), Ok(u32::MAX as usize));
        let mut next: &[u8] = &[0x1f, 0xe1, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(decode(5, &mut next), Err(DecodeError::IntegerOverflow));
        let mut most: &[u8] = &[0x1f, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(decode(5, &mut most), Err(DecodeError::IntegerOverflow));
    }

    #[test]
    fn section_5_1_an_integer_in_too_many_octets_is_an_error() {
        let mut zeros: &[u8] = &[0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
        assert_eq!(decode(5, &mut zeros), Err(DecodeError::IntegerOverflow));
    }

    #[test]
    fn section_5_1_an_integer_that_does_not_end_is_truncated() {
        for octets in [&[][..], &[0x1f], &[0x1f, 0x9a]] {
            let mut input = octets;
            assert_eq!(decode(5, &mut input), Err(DecodeError::Truncated));
        }
    }
}
