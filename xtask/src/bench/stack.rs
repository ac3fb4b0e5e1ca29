//! The measured stacks.

/// A way to call another process. Each has a program with the command line of `examples/src/peer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stack {
    /// Blocking reads and writes of bare frames.
    Blocking,
    /// Bare frames on tokio's socket.
    Raw,
    Tarpc,
    Ttrpc,
    Tonic,
    /// gRPC's C-core, from C++.
    Cpp,
    Go,
    /// ASP.NET Core's server and .NET's client.
    Dotnet,
    Node,
    /// gRPC's C-core, from Python.
    Python,
    /// Ours, with the client and server code that tonic's generator writes.
    GrpcIpcTonicCode,
    GrpcIpc,
}

impl Stack {
    pub(super) const ALL: [Self; 12] = [
        Self::Blocking,
        Self::Raw,
        Self::Tarpc,
        Self::Ttrpc,
        Self::Tonic,
        Self::Cpp,
        Self::Go,
        Self::Dotnet,
        Self::Node,
        Self::Python,
        Self::GrpcIpcTonicCode,
        Self::GrpcIpc,
    ];

    /// The stacks in Rust on tokio, whose events are counted.
    pub(super) const COUNTED: [Self; 6] =
        [Self::Raw, Self::Tarpc, Self::Ttrpc, Self::Tonic, Self::GrpcIpcTonicCode, Self::GrpcIpc];

    /// Those of them that speak gRPC.
    pub(super) const GRPC: [Self; 3] = [Self::Tonic, Self::GrpcIpcTonicCode, Self::GrpcIpc];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Raw => "raw",
            Self::Tarpc => "tarpc",
            Self::Ttrpc => "ttrpc",
            Self::Tonic => "tonic",
            Self::Cpp => "gRPC C++",
            Self::Go => "grpc-go",
            Self::Dotnet => ".NET",
            Self::Node => "grpc-js",
            Self::Python => "grpcio",
            Self::GrpcIpcTonicCode => "grpc-ipc (tonic's code)",
            Self::GrpcIpc => "grpc-ipc",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stack| stack.name() == name)
    }

    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::GrpcIpcTonicCode | Self::GrpcIpc)
    }

    /// Whether its program is in another language, and not built by cargo.
    pub(super) fn is_foreign(self) -> bool {
        matches!(self, Self::Cpp | Self::Go | Self::Dotnet | Self::Node | Self::Python)
    }

    /// The name of its program, if cargo builds it.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Blocking => "blocking-peer",
            Self::Raw => "raw-peer",
            Self::Tarpc => "tarpc-peer",
            Self::Ttrpc => "ttrpc-peer",
            Self::Tonic | Self::GrpcIpcTonicCode | Self::GrpcIpc => PEER,
            Self::Cpp | Self::Go | Self::Dotnet | Self::Node | Self::Python => "",
        }
    }

    /// The program's options besides the command.
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Tonic => &["--stack", "tonic"],
            Self::GrpcIpcTonicCode => &["--stack", "grpc-ipc-tonic-code"],
            Self::GrpcIpc => &["--stack", "grpc-ipc"],
            _ => &[],
        }
    }
}

/// The program of our own and of tonic's stack.
pub(super) const PEER: &str = "peer";
