use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Request;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The field has 8 digits, so more hours do not fit.
const LONGEST: Duration = Duration::from_secs(99_999_999 * 3_600);

/// The default deadline of calls, as the value of the header field.
#[derive(Clone, Debug)]
pub(crate) struct DefaultTimeout(Option<HeaderValue>);

impl DefaultTimeout {
    pub(crate) fn new(timeout: Duration) -> Self {
        let mut request = Request::new(());
        request.set_timeout(timeout.min(LONGEST));
        let mut headers = request.into_parts().0.into_headers();
        Self(headers.remove(GRPC_TIMEOUT))
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        if let Some(timeout) = &self.0 {
            headers.entry(GRPC_TIMEOUT).or_insert_with(|| timeout.clone());
        }
    }
}
