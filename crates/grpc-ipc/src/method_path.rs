use std::fmt;

use http::Uri;
use http::uri::PathAndQuery;

/// The method that a request calls, as HTTP/2 names it: `/package.Service/Method`.
///
/// A [`Server`](crate::Server) puts it into the extensions of each request, because tonic does not expose the method to
/// interceptors.
#[derive(Clone)]
pub struct MethodPath(Path);

#[derive(Clone)]
enum Path {
    OfRequest(PathAndQuery),
    OfMethod(&'static str),
}

impl MethodPath {
    pub(crate) fn of(uri: &Uri) -> Self {
        let path = uri.path_and_query().cloned();
        Self(path.map_or(Path::OfMethod("/"), Path::OfRequest))
    }

    /// The path of a known method.
    pub(crate) fn of_method(path: &'static str) -> Self {
        Self(Path::OfMethod(path))
    }

    /// The whole path: `/package.Service/Method`.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Path::OfRequest(path) => path.path(),
            Path::OfMethod(path) => path,
        }
    }

    /// The service: `package.Service`. Empty if the path does not name a gRPC method.
    pub fn service(&self) -> &str {
        self.parts().map_or("", |(service, _)| service)
    }

    /// The name of the method: `Method`. Empty if the path does not name a gRPC method.
    pub fn method(&self) -> &str {
        self.parts().map_or("", |(_, method)| method)
    }

    fn parts(&self) -> Option<(&str, &str)> {
        self.as_str().strip_prefix('/')?.split_once('/')
    }
}

impl PartialEq for MethodPath {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for MethodPath {}

impl fmt::Debug for MethodPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MethodPath").field(&self.as_str()).finish()
    }
}

impl fmt::Display for MethodPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
