//! The measured stacks.

/// A way to call another process. Each has a program with the command line of `examples/src/peer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stack {
    /// Bare frames on tokio's socket.
    Raw,
    Tarpc,
    Ttrpc,
    /// ASP.NET Core's server and .NET's client. The program exists only for Windows.
    Kestrel,
    Tonic,
    /// Ours, with the client and server code that tonic's generator writes.
    GrpcIpcTonicCode,
    GrpcIpc,
}

impl Stack {
    pub(super) const ALL: [Self; 7] = [
        Self::Raw,
        Self::Tarpc,
        Self::Ttrpc,
        Self::Kestrel,
        Self::Tonic,
        Self::GrpcIpcTonicCode,
        Self::GrpcIpc,
    ];

    /// The stacks that run here, not under Wine.
    pub(super) const HERE: [Self; 6] =
        [Self::Raw, Self::Tarpc, Self::Ttrpc, Self::Tonic, Self::GrpcIpcTonicCode, Self::GrpcIpc];

    /// Those of them that speak gRPC.
    pub(super) const GRPC: [Self; 3] = [Self::Tonic, Self::GrpcIpcTonicCode, Self::GrpcIpc];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Tarpc => "tarpc",
            Self::Ttrpc => "ttrpc",
            Self::Kestrel => "Kestrel",
            Self::Tonic => "tonic",
            Self::GrpcIpcTonicCode => "grpc-ipc (tonic's code)",
            Self::GrpcIpc => "grpc-ipc",
        }
    }

    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::GrpcIpcTonicCode | Self::GrpcIpc)
    }

    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Raw => "raw-peer",
            Self::Tarpc => "tarpc-peer",
            Self::Ttrpc => "ttrpc-peer",
            Self::Kestrel => "dotnet-peer",
            Self::Tonic | Self::GrpcIpcTonicCode | Self::GrpcIpc => PEER,
        }
    }

    /// The program's options besides the command.
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Raw | Self::Tarpc | Self::Ttrpc | Self::Kestrel => &[],
            Self::Tonic => &["--stack", "tonic"],
            Self::GrpcIpcTonicCode => &["--stack", "grpc-ipc-tonic-code"],
            Self::GrpcIpc => &["--stack", "grpc-ipc"],
        }
    }
}

/// The program of our own and of tonic's stack.
pub(super) const PEER: &str = "peer";
