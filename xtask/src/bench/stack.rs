//! What is measured.

/// A way to call another process; each has a program with the command line of `examples/src/peer`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stack {
    /// Frames on tokio's socket, and nothing else.
    Raw,
    Tarpc,
    Ttrpc,
    Tonic,
    GrpcIpc,
}

impl Stack {
    pub(super) const ALL: [Self; 5] = [Self::Raw, Self::Tarpc, Self::Ttrpc, Self::Tonic, Self::GrpcIpc];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Tarpc => "tarpc",
            Self::Ttrpc => "ttrpc",
            Self::Tonic => "tonic",
            Self::GrpcIpc => "grpc-ipc",
        }
    }

    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Raw => "raw-peer",
            Self::Tarpc => "tarpc-peer",
            Self::Ttrpc => "ttrpc-peer",
            Self::Tonic | Self::GrpcIpc => "peer",
        }
    }

    /// What its program is told beside the command. The other programs know nothing but one thread.
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Raw | Self::Tarpc | Self::Ttrpc => &[],
            Self::Tonic => &["--stack", "tonic", "--runtime", "current"],
            Self::GrpcIpc => &["--stack", "grpc-ipc", "--runtime", "current"],
        }
    }
}
