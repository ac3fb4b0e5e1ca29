use std::fmt;

use http::Uri;
use http::uri::PathAndQuery;

/// The method that a request calls, as HTTP/2 names it: `/package.Service/Method`.
///
/// A [`Server`](crate::Server) puts it into the extensions of each request, for interceptors, which tonic does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodPath(PathAndQuery);

impl MethodPath {
    pub(crate) fn of(uri: &Uri) -> Self {
        Self(uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")))
    }

    /// All of it: `/package.Service/Method`.
    pub fn as_str(&self) -> &str {
        self.0.path()
    }

    /// The service: `package.Service`. Empty if the path is none of gRPC.
    pub fn service(&self) -> &str {
        self.parts().map_or("", |(service, _)| service)
    }

    /// The name of the method: `Method`. Empty if the path is none of gRPC.
    pub fn method(&self) -> &str {
        self.parts().map_or("", |(_, method)| method)
    }

    fn parts(&self) -> Option<(&str, &str)> {
        self.as_str().strip_prefix('/')?.split_once('/')
    }
}

impl fmt::Display for MethodPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
