//! What is measured.

/// A way to call another process; each has a program with the command line of `examples/src/peer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stack {
    /// Frames on tokio's socket, and nothing else.
    Raw,
    Tarpc,
    Ttrpc,
    /// ASP.NET Core's server and .NET's client, of which there is a program for Windows alone.
    Kestrel,
    Tonic,
    /// Ours, called and served by code that tonic's generator writes.
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

    /// Those that run here, and not under Wine.
    pub(super) const HERE: [Self; 6] =
        [Self::Raw, Self::Tarpc, Self::Ttrpc, Self::Tonic, Self::GrpcIpcTonicCode, Self::GrpcIpc];

    /// Those that speak gRPC, of them.
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

    /// What its program is told beside the command.
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
