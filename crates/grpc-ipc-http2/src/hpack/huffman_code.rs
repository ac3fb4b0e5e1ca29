//! The Huffman code of [RFC 7541 appendix B](https://www.rfc-editor.org/rfc/rfc7541#appendix-B).
//!
//! The code is canonical, as the appendix says: codes are consecutive numbers, assigned to shorter lengths first, and
//! within a length to lower symbols first. So the lengths determine the code.

/// The symbol whose beginning pads a string. It may not occur in one.
pub(super) const EOS: usize = 256;

/// Octets and EOS.
pub(super) const SYMBOLS: usize = 257;

/// Lengths of the codes in bits, by symbol.
#[rustfmt::skip]
pub(super) const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, // 0x00
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, // 0x10
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, // 0x20
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, // 0x30
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, // 0x40
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, // 0x50
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, // 0x60
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, // 0x70
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, // 0x80
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, // 0x90
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, // 0xa0
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, // 0xb0
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, // 0xc0
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, // 0xd0
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, // 0xe0
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, // 0xf0
    30, // EOS
];

/// The codes by symbol, in the lowest bits.
pub(super) const CODES: [u32; SYMBOLS] = canonical_codes();

const fn canonical_codes() -> [u32; SYMBOLS] {
    let mut codes = [0; SYMBOLS];
    let mut code = 0;
    let mut length = 1;
    while length <= LENGTHS[EOS] {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] == length {
                codes[symbol] = code;
                code += 1;
            }
            symbol += 1;
        }
        code <<= 1;
        length += 1;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::{CODES, EOS, LENGTHS};

    #[test]
    fn appendix_b_the_code_is_complete() {
        let used: u32 = LENGTHS.iter().map(|&length| 1 << (LENGTHS[EOS] - length)).sum();
        assert_eq!(used, 1 << LENGTHS[EOS]);
    }

    /// The first and the last symbol of every length, as the appendix prints them.
    #[test]
    fn appendix_b_the_codes_are_those_of_the_table() {
        for (symbol, code, length) in [
            (48, 0x0, 5),
            (116, 0x9, 5),
            (32, 0x14, 6),
            (117, 0x2d, 6),
            (58, 0x5c, 7),
            (122, 0x7b, 7),
            (38, 0xf8, 8),
            (90, 0xfd, 8),
            (33, 0x3f8, 10),
            (63, 0x3fc, 10),
            (39, 0x7fa, 11),
            (124, 0x7fc, 11),
            (35, 0xffa, 12),
            (62, 0xffb, 12),
            (0, 0x1ff8, 13),
            (126, 0x1ffd, 13),
            (94, 0x3ffc, 14),
            (125, 0x3ffd, 14),
            (60, 0x7ffc, 15),
            (123, 0x7ffe, 15),
            (92, 0x7fff0, 19),
            (208, 0x7fff2, 19),
            (128, 0xfffe6, 20),
            (226, 0xfffed, 20),
            (153, 0x1fffdc, 21),
            (230, 0x1fffe8, 21),
            (129, 0x3fffd2, 22),
            (233, 0x3fffeb, 22),
            (1, 0x7fffd8, 23),
            (239, 0x7ffff4, 23),
            (9, 0xffffea, 24),
            (237, 0xfffff5, 24),
            (199, 0x1ffffec, 25),
            (235, 0x1ffffef, 25),
            (192, 0x3ffffe0, 26),
            (255, 0x3ffffee, 26),
            (203, 0x7ffffde, 27),
            (254, 0x7fffff0, 27),
            (2, 0xfffffe2, 28),
            (249, 0xffffffe, 28),
            (10, 0x3ffffffc, 30),
            (EOS, 0x3fffffff, 30),
        ] {
            assert_eq!((CODES[symbol], LENGTHS[symbol]), (code, length), "symbol {symbol}");
        }
    }
}
