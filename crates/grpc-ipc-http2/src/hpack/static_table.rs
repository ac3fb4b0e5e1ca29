//! The static table ([RFC 7541 appendix A](https://www.rfc-editor.org/rfc/rfc7541#appendix-A)).

/// Names and values. The first entry has index 1.
pub(super) const ENTRIES: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// For each length of a name, a bit set of the positions of the entries whose names have that length.
pub(super) const OF_LENGTH: [u64; 32] = {
    let mut of_length = [0; 32];
    let mut position = 0;
    while position < ENTRIES.len() {
        of_length[ENTRIES[position].0.len()] |= 1 << position;
        position += 1;
    }
    of_length
};

#[cfg(test)]
mod tests {
    use super::ENTRIES;

    #[test]
    fn appendix_a_the_entries_have_their_indices() {
        for (index, entry) in [
            (1, (":authority", "")),
            (2, (":method", "GET")),
            (8, (":status", "200")),
            (14, (":status", "500")),
            (15, ("accept-charset", "")),
            (16, ("accept-encoding", "gzip, deflate")),
            (31, ("content-type", "")),
            (46, ("location", "")),
            (58, ("user-agent", "")),
            (61, ("www-authenticate", "")),
        ] {
            assert_eq!(ENTRIES[index - 1], entry, "index {index}");
        }
    }
}
