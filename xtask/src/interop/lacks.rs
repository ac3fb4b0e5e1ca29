//! Features that a stack, or its program here, does not have. Most clients report what they lack. Servers cannot, so
//! their lacks are listed here, and so are those of the other clients.

use super::cases::{EXTENDED, Outcome};

pub(super) struct Lack {
    cases: &'static [&'static str],
    why: &'static str,
    /// `None`: the cases are not run. Otherwise they are, and each must fail with this text.
    shows: Option<&'static str>,
}

const COMPRESSION: [&str; 4] = [
    "client_compressed_unary",
    "server_compressed_unary",
    "client_compressed_streaming",
    "server_compressed_streaming",
];

impl Lack {
    pub(super) const DIRECT: Self = Self {
        cases: &[
            "custom_metadata",
            "client_compressed_unary",
            "server_compressed_unary",
            "client_compressed_streaming",
            "server_compressed_streaming",
            "binary_metadata",
            "large_metadata",
        ],
        why: "a direct call has no compression, and no trailing metadata when it succeeds",
        shows: None,
    };
    pub(super) const TONIC_DEADLINE: Self = Self {
        cases: &["timeout_on_sleeping_server", "deadline_passed"],
        why: "when a deadline passes, tonic's channel ends the call with `Cancelled`, or `DeadlineExceeded` if the server \
              was first",
        shows: None,
    };
    pub(super) const TONIC_GOAWAY: Self = Self {
        cases: &["connection_age", "large_metadata"],
        why: "tonic's channel does not repeat a call that it began when the server closed the connection",
        shows: None,
    };
    pub(super) const REQUEST_COMPRESSION: Self = Self {
        cases: &["client_compressed_unary", "client_compressed_streaming"],
        why: "a server of grpcio is not told whether a message that it received was compressed",
        shows: Some("not tell whether a message was compressed"),
    };
    pub(super) const JS_COMPRESSION: Self = Self {
        cases: &COMPRESSION,
        why: "a server of grpc-js compresses no response, and is not told whether a message that it received was \
              compressed",
        shows: Some("ompress"),
    };
    pub(super) const GO_COMPRESSION: Self = Self {
        cases: &["server_compressed_unary", "server_compressed_streaming"],
        why: "a server of grpc-go compresses a response if the request was compressed, and cannot choose",
        shows: Some("ompressed"),
    };
    pub(super) const JAVA_LIMIT: Self = Self {
        cases: &["message_too_large"],
        why: "a server of grpc-java resets the stream of a message that is too large, without a status",
        shows: Some("CANCEL"),
    };
    pub(super) const GRPCLIB_COMPRESSION: Self = Self {
        cases: &COMPRESSION,
        why: "grpclib has no compression",
        shows: Some("grpclib has no compression"),
    };
    pub(super) const GRPCLIB_AGE: Self =
        Self { cases: &["connection_age"], why: "grpclib has no maximum age of connections", shows: None };
    pub(super) const RUBY_COMPRESSION: Self = Self {
        cases: &COMPRESSION,
        why: "a server in Ruby cannot compress one response, and is not told whether a message that it received was \
              compressed",
        shows: Some("neither compresses one response nor tells"),
    };
    pub(super) const RUBY_METADATA: Self = Self {
        cases: &["binary_metadata"],
        why: "several values of a key make gRPC in Ruby use freed memory (github.com/grpc/grpc/pull/42827); single values \
              come back",
        shows: Some("cannot send several values of a key"),
    };
    pub(super) const CONNECT_COMPRESSION: Self = Self {
        cases: &COMPRESSION,
        why: "a server of Connect does not choose which response to compress, and is not told whether a message that it \
              received was compressed",
        shows: Some("does not tell what was compressed"),
    };
    pub(super) const JS_DEADLINE: Self = Self {
        cases: &["deadlines"],
        why: "a timer of Node.js takes at most 24 days, so a deadline of 30 days passes after 1 ms",
        shows: None,
    };
    pub(super) const CONNECT_GOAWAY: Self = Self {
        cases: &["connection_age"],
        why: "Connect does not repeat a call that it began when the server closed the connection",
        shows: None,
    };
    pub(super) const DOTNET_EXTENDED: Self =
        Self { cases: &EXTENDED, why: "the program in C# has the official cases only", shows: None };
    pub(super) const DOTNET_OPTIONS: Self = Self {
        cases: &[
            "message_sizes",
            "message_too_large",
            "status_details",
            "connection_age",
            "health",
            "reflection",
        ],
        why: "the server in C# has no options for limits, and serves no status details, health and reflection",
        shows: None,
    };

    pub(super) const DOTNET_METADATA: Self = Self {
        cases: &["binary_metadata", "large_metadata"],
        why: "the server in C# echoes no metadata of `EmptyCall`",
        shows: Some("instead of"),
    };

    /// The reason why `case` is not run, if it is not.
    pub(super) fn not_run(lacks: &[Self], case: &str) -> Option<&'static str> {
        let lack = lacks.iter().find(|lack| lack.shows.is_none() && lack.cases.contains(&case));
        lack.map(|lack| lack.why)
    }

    /// The outcome of a case that was run, for a peer with these lacks. If a lack lists the case, it must fail with the
    /// text of that lack.
    pub(super) fn judge(lacks: &[Self], case: &str, outcome: Outcome) -> Outcome {
        let listed = |lack: &&Self| lack.shows.is_some() && lack.cases.contains(&case);
        let Some(lack) = lacks.iter().find(listed) else { return outcome };
        match outcome {
            Outcome::Failed(why) if lack.shows.is_some_and(|text| why.contains(text)) => {
                Outcome::NotApplicable(lack.why.to_owned())
            }
            Outcome::Passed => Outcome::Failed(format!("passed, although it should not apply: {}", lack.why)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_must_show() {
        let judge =
            |case, outcome| Lack::judge(&[Lack::REQUEST_COMPRESSION, Lack::TONIC_DEADLINE], case, outcome);
        let case = "client_compressed_unary";
        let as_listed = Outcome::Failed("grpcio does not tell whether a message was compressed".to_owned());
        assert!(matches!(judge(case, as_listed.clone()), Outcome::NotApplicable(_)));
        assert_eq!(judge("ping_pong", as_listed.clone()), as_listed);
        let otherwise = Outcome::Failed("Unavailable".to_owned());
        assert_eq!(judge(case, otherwise.clone()), otherwise);
        assert!(matches!(judge(case, Outcome::Passed), Outcome::Failed(_)));
        assert_eq!(judge("ping_pong", Outcome::Passed), Outcome::Passed);
    }
}
