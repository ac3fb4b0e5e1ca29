//! The meaning of a header block ([RFC 9113, section 8](https://www.rfc-editor.org/rfc/rfc9113#section-8)).

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{self, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::hpack::Field;

/// The `:authority` of a request, as received. It is in the extensions of a request whose [`Uri`] cannot hold it: on
/// local transports, some clients send the path of the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority(Bytes);

impl Authority {
    /// The bytes that the client sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A whole header block.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Request(RequestHead),
    Response(ResponseHead),
    Trailers(HeaderMap),
    /// RFC 9113, section 8.1.1, with the reason.
    Malformed(&'static str),
    /// Larger than [`Options::max_header_list_size`](crate::Options::max_header_list_size).
    TooLarge,
}

#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    /// Set if it is not in `uri`.
    pub(crate) authority: Option<Authority>,
    pub(crate) headers: HeaderMap,
    pub(crate) content_length: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content_length: Option<u64>,
}

/// Collects the fields of a block.
#[derive(Default)]
pub(crate) struct Section {
    method: Option<Method>,
    scheme: Option<Bytes>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
    status: Option<StatusCode>,
    headers: HeaderMap,
    content_length: Option<u64>,
    malformed: Option<&'static str>,
    size: usize,
    max_size: usize,
    /// The result of the fields before these.
    begun: Option<Begun>,
}

/// A request without its headers, after which no pseudo-headers may follow.
struct Begun {
    method: Method,
    uri: Uri,
    authority: Option<Authority>,
}

impl Section {
    pub(crate) fn new(max_size: u32) -> Self {
        Self { max_size: max_size as usize, ..Self::default() }
    }

    /// Continues after a request whose fields have `size` bytes. The request has headers.
    pub(crate) fn behind(request: &RequestHead, size: usize, max_size: u32) -> Self {
        let RequestHead { method, uri, authority, headers, content_length } = request.clone();
        let begun = Some(Begun { method, uri, authority });
        Self { headers, content_length, begun, size, ..Self::new(max_size) }
    }

    /// The size of the fields.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Adds a field of `size` bytes ([section 6.5.2](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)).
    pub(crate) fn add(&mut self, field: Field, size: usize) {
        self.size += size;
        if self.size > self.max_size || self.malformed.is_some() {
            return;
        }
        if let Err(reason) = self.take(field) {
            self.malformed = Some(reason);
        }
    }

    fn take(&mut self, field: Field) -> Result<(), &'static str> {
        match field {
            Field::Header(name, value) => self.header(name, value),
            _ if !self.headers.is_empty() => Err("a pseudo-header after a header"),
            Field::Method(method) => once(&mut self.method, method),
            Field::Scheme(scheme) => once(&mut self.scheme, scheme),
            Field::Authority(authority) => once(&mut self.authority, authority),
            Field::Path(path) => once(&mut self.path, path),
            Field::Status(status) => once(&mut self.status, status),
            Field::Malformed { reason, .. } => Err(reason),
        }
    }

    fn header(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), &'static str> {
        if is_connection_specific(&name) {
            return Err("a connection-specific header of HTTP/1.1");
        }
        if name == TE && value != "trailers" {
            return Err("te is not `trailers`");
        }
        if name == CONTENT_LENGTH {
            let length = value.to_str().ok().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
            let length =
                length.and_then(|length| length.parse().ok()).ok_or("content-length is not a number")?;
            if self.content_length.replace(length).is_some_and(|before| before != length) {
                return Err("two different content-lengths");
            }
        }
        if self.headers.try_append(name, value).is_err() {
            self.size = usize::MAX;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Message {
        if self.size > self.max_size {
            return Message::TooLarge;
        }
        match self.malformed {
            Some(reason) => Message::Malformed(reason),
            None => self.interpret().unwrap_or_else(Message::Malformed),
        }
    }

    fn interpret(self) -> Result<Message, &'static str> {
        let Self { method, scheme, authority, path, status, headers, content_length, begun, .. } = self;
        if let Some(Begun { method, uri, authority }) = begun {
            let sent = authority.as_ref().map(Authority::as_bytes);
            let sent = sent.or_else(|| Some(uri.authority()?.as_str().as_bytes()));
            check_host(&headers, sent)?;
            return Ok(Message::Request(RequestHead { method, uri, authority, headers, content_length }));
        }
        match (status, method) {
            (Some(status), None) if scheme.is_none() && authority.is_none() && path.is_none() => {
                Ok(Message::Response(ResponseHead { status, headers, content_length }))
            }
            (Some(_), _) => Err("pseudo-headers of both a request and a response"),
            (None, None) if scheme.is_none() && authority.is_none() && path.is_none() => {
                Ok(Message::Trailers(headers))
            }
            (None, None) => Err(":method is missing"),
            (None, Some(method)) => {
                check_host(&headers, authority.as_deref())?;
                let (uri, authority) = target(&method, scheme, authority, path)?;
                let head = RequestHead { method, uri, authority, headers, content_length };
                Ok(Message::Request(head))
            }
        }
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match place.replace(value) {
        Some(_) => Err("a pseudo-header twice"),
        None => Ok(()),
    }
}

/// [Section 8.2.2](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2).
pub(crate) fn is_connection_specific(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || name == "keep-alive"
        || name == "proxy-connection"
}

/// A request has at most one host ([RFC 9110, section 7.2](https://www.rfc-editor.org/rfc/rfc9110#section-7.2)), which
/// must match `:authority` ([section 8.3.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1)).
fn check_host(headers: &HeaderMap, authority: Option<&[u8]>) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else { return Ok(()) };
    if hosts.next().is_some() {
        return Err("more than one host");
    }
    match authority {
        Some(authority) if !authority.eq_ignore_ascii_case(host.as_bytes()) => {
            Err("host differs from :authority")
        }
        _ => Ok(()),
    }
}

/// [Section 8.3.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1).
fn target(
    method: &Method,
    scheme: Option<Bytes>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
) -> Result<(Uri, Option<Authority>), &'static str> {
    let mut parts = uri::Parts::default();
    let mut other = None;
    if let Some(authority) = authority {
        match uri::Authority::from_maybe_shared(authority.clone()) {
            Ok(authority) => parts.authority = Some(authority),
            Err(_) => other = Some(Authority(authority)),
        }
    }
    if *method == Method::CONNECT {
        if scheme.is_some() || path.is_some() {
            return Err("CONNECT with :scheme or :path");
        }
        return match parts.authority {
            Some(authority) => Ok((authority.into(), None)),
            None => Err("CONNECT without an :authority"),
        };
    }
    let scheme = scheme.ok_or(":scheme is missing")?;
    let scheme = Scheme::try_from(&scheme[..]).map_err(|_| "an invalid :scheme")?;
    let path = path.ok_or(":path is missing")?;
    if path.first() != Some(&b'/') && !(*method == Method::OPTIONS && &path[..] == b"*") {
        return Err(":path is empty or does not begin with a slash");
    }
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(path).map_err(|_| "an invalid :path")?);
    // A `Uri` has either both or neither.
    if parts.authority.is_some() {
        parts.scheme = Some(scheme);
    }
    let uri = Uri::from_parts(parts).map_err(|_| "an invalid combination of pseudo-headers")?;
    Ok((uri, other))
}
