//! Text with a byte order mark, as programs on Windows write it.

use std::collections::VecDeque;
use std::io::{self, Read};

/// Reads UTF-8, without a byte order mark at the beginning. After a byte order mark of UTF-16, it converts the text.
pub(super) struct Utf8<R> {
    source: R,
    encoding: Option<Encoding>,
    /// Bytes that were read, and are not converted yet.
    raw: Vec<u8>,
    /// Bytes to return next.
    ready: VecDeque<u8>,
}

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16(fn([u8; 2]) -> u16),
}

const MARKS: [(&[u8], Encoding); 3] = [
    (b"\xef\xbb\xbf", Encoding::Utf8),
    (b"\xff\xfe", Encoding::Utf16(u16::from_le_bytes)),
    (b"\xfe\xff", Encoding::Utf16(u16::from_be_bytes)),
];

impl<R: Read> Utf8<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, encoding: None, raw: Vec::new(), ready: VecDeque::new() }
    }

    /// Reads the beginning, up to the end of a mark, or until it cannot be a mark.
    fn detect(&mut self) -> io::Result<Encoding> {
        loop {
            if let Some((mark, encoding)) = MARKS.iter().find(|(mark, _)| self.raw.starts_with(mark)) {
                self.raw.drain(..mark.len());
                return Ok(*encoding);
            }
            let may_be_one = MARKS.iter().any(|(mark, _)| mark.starts_with(&self.raw));
            if !may_be_one || !self.fill(1)? {
                return Ok(Encoding::Utf8);
            }
        }
    }

    /// Reads once, at most `limit` bytes. Returns whether there were any.
    fn fill(&mut self, limit: usize) -> io::Result<bool> {
        let begin = self.raw.len();
        self.raw.resize(begin + limit, 0);
        let read = self.source.read(&mut self.raw[begin..]);
        self.raw.truncate(begin + read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    /// Reads UTF-16 until a character is complete, or to the end.
    fn convert(&mut self, unit: fn([u8; 2]) -> u16) -> io::Result<()> {
        let not_whole = || io::Error::new(io::ErrorKind::InvalidData, "the text is not valid UTF-16");
        while self.ready.is_empty() {
            if !self.fill(4096)? {
                return if self.raw.is_empty() { Ok(()) } else { Err(not_whole()) };
            }
            let (pairs, _) = self.raw.as_chunks();
            let mut units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
            // The other half of a pair of surrogates follows.
            if matches!(units.last(), Some(0xd800..=0xdbff)) {
                units.pop();
            }
            let text = String::from_utf16(&units).map_err(|_| not_whole())?;
            self.raw.drain(..2 * units.len());
            self.ready = text.into_bytes().into();
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let encoding = match self.encoding {
            Some(encoding) => encoding,
            None => {
                let found = self.detect()?;
                *self.encoding.insert(found)
            }
        };
        if self.ready.is_empty() {
            match encoding {
                Encoding::Utf8 if self.raw.is_empty() => return self.source.read(buffer),
                Encoding::Utf8 => self.ready = std::mem::take(&mut self.raw).into(),
                Encoding::Utf16(unit) => self.convert(unit)?,
            }
        }
        self.ready.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(buffer.len()).min(1);
            self.0.read(&mut buffer[..length])
        }
    }

    fn read(text: &[u8]) -> Result<String, String> {
        let whole = io::read_to_string(Utf8::new(text)).map_err(|error| error.to_string());
        let slow = io::read_to_string(Utf8::new(Slow(text))).map_err(|error| error.to_string());
        assert_eq!(whole, slow);
        whole
    }

    #[test]
    fn byte_order_marks_are_left_out() {
        let text = "{\"name\": \"Ada, é €, 😀\"}";
        let encoded = |mark: u16, bytes: fn(u16) -> [u8; 2]| {
            std::iter::once(mark).chain(text.encode_utf16()).flat_map(bytes).collect::<Vec<_>>()
        };
        for encoded in [
            text.as_bytes().to_vec(),
            format!("\u{feff}{text}").into_bytes(),
            encoded(0xfeff, u16::to_le_bytes),
            encoded(0xfeff, u16::to_be_bytes),
        ] {
            assert_eq!(read(&encoded).as_deref(), Ok(text));
        }
        for short in ["", "\u{feff}", "\u{feff}a", "a", "\u{e000}"] {
            assert_eq!(read(short.as_bytes()).as_deref(), Ok(short.trim_start_matches('\u{feff}')));
        }
    }

    #[test]
    fn broken_utf_16_is_told() {
        for broken in [&b"\xff\xfea"[..], b"\xff\xfea\0\x3d\xd8", b"\xff\xfe\x3d\xd8a\0"] {
            assert_eq!(read(broken), Err("the text is not valid UTF-16".to_owned()));
        }
    }
}
