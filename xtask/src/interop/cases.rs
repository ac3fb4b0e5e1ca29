//! The cases, and what the servers need for them.

/// The official ones, from gRPC's `interop-test-descriptions.md`.
pub(crate) const OFFICIAL: [&str; 18] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
    "client_compressed_unary",
    "server_compressed_unary",
    "client_compressed_streaming",
    "server_compressed_streaming",
];

/// The cases beyond the official ones.
pub(super) const EXTENDED: [&str; 16] = [
    "message_sizes",
    "message_too_large",
    "binary_metadata",
    "large_metadata",
    "many_calls",
    "trailers_only",
    "every_status",
    "status_details",
    "deadlines",
    "deadline_passed",
    "cancel_phases",
    "empty_streams",
    "early_status",
    "connection_age",
    "health",
    "reflection",
];

/// The official cases, then the others.
pub(crate) const ALL: [&str; 34] = {
    let mut all = [""; 34];
    let (official, extended) = all.split_at_mut(OFFICIAL.len());
    official.copy_from_slice(&OFFICIAL);
    extended.copy_from_slice(&EXTENDED);
    all
};

/// How both ends are started. Each has cases of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// The stack's own defaults.
    Default,
    /// Both ends accept large messages.
    LargeMessages,
    /// The server closes its connections after a second.
    ShortConnections,
}

impl Setting {
    pub(super) const ALL: [Self; 3] = [Self::Default, Self::LargeMessages, Self::ShortConnections];

    pub(super) fn of(case: &str) -> Self {
        match case {
            "message_sizes" => Self::LargeMessages,
            "connection_age" => Self::ShortConnections,
            _ => Self::Default,
        }
    }

    pub(super) fn server_options(self) -> &'static [&'static str] {
        match self {
            Self::Default => &[],
            Self::LargeMessages => &["--max-message-size", "80000000"],
            Self::ShortConnections => &["--max-connection-age", "1"],
        }
    }

    pub(super) fn client_options(self) -> &'static [&'static str] {
        match self {
            Self::LargeMessages => &["--max-message-size", "80000000"],
            Self::Default | Self::ShortConnections => &[],
        }
    }
}

/// The result of a case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Passed,
    Failed(String),
    NotApplicable(String),
}

/// The result in a line that a client prints: `CASE: passed`, `CASE: failed: WHY` or `CASE: not applicable: WHY`.
pub(super) fn parse(line: &str) -> Option<(&'static str, Outcome)> {
    let (name, outcome) = line.trim_end().split_once(": ")?;
    let case = ALL.into_iter().find(|case| *case == name)?;
    let outcome = match outcome.split_once(": ").unwrap_or((outcome, "")) {
        ("passed", "") => Outcome::Passed,
        ("failed", why) => Outcome::Failed(why.to_owned()),
        ("not applicable", why) if !why.is_empty() => Outcome::NotApplicable(why.to_owned()),
        _ => return None,
    };
    Some((case, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_clients_are_parsed() {
        assert_eq!(parse("ping_pong: passed\n"), Some(("ping_pong", Outcome::Passed)));
        let failed = Outcome::Failed("Unknown: it broke".to_owned());
        assert_eq!(parse("ping_pong: failed: Unknown: it broke"), Some(("ping_pong", failed)));
        let lacking = Outcome::NotApplicable("no such thing".to_owned());
        assert_eq!(parse("health: not applicable: no such thing"), Some(("health", lacking)));
        for line in
            ["no_such_case: passed", "ping_pong: passed: really", "ping_pong: not applicable", "passed"]
        {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
