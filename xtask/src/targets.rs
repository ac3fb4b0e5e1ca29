//! The tests of Unix domain sockets for other targets, on Debian: with musl instead of glibc, and for processors that
//! qemu-user emulates. For a big-endian processor, the tests of the core run as well, and so do calls between a program
//! for it and one for this processor.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{command, output, run as run_command, works};
use crate::interop::process::Process;
use crate::summary::Platform;
use crate::test::run_tests;
use crate::{Result, cross, workspace};

/// Another target.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    triple: &'static str,
    /// Links, and compiles C.
    gcc: &'static str,
    emulator: Option<Emulator>,
    flags: &'static str,
    is_big_endian: bool,
}

struct Emulator {
    qemu: &'static str,
    /// The directory of the C library.
    root: &'static str,
    /// How the processor differs.
    what: &'static str,
}

pub(crate) const AARCH64: Target = Target {
    name: "aarch64",
    triple: "aarch64-unknown-linux-gnu",
    gcc: "aarch64-linux-gnu-gcc",
    emulator: Some(Emulator {
        qemu: "qemu-aarch64",
        root: "/usr/aarch64-linux-gnu",
        what: "little-endian, 64 bits",
    }),
    flags: "",
    is_big_endian: false,
};

pub(crate) const S390X: Target = Target {
    name: "s390x",
    triple: "s390x-unknown-linux-gnu",
    gcc: "s390x-linux-gnu-gcc",
    emulator: Some(Emulator {
        qemu: "qemu-s390x",
        root: "/usr/s390x-linux-gnu",
        what: "big-endian, 64 bits",
    }),
    flags: "",
    is_big_endian: true,
};

/// Debian's toolchain uses the musl of the system. With `link-self-contained=no`, rustup's does, too. LLVM's libunwind
/// is built for glibc. To print errors before it aborts, it calls one function that musl lacks.
pub(crate) const MUSL: Target = Target {
    name: "musl",
    triple: "x86_64-unknown-linux-musl",
    gcc: "musl-gcc",
    emulator: None,
    flags: "-Clink-self-contained=no -Crelocation-model=static -Clink-arg=-Wl,--defsym=__fprintf_chk=abort",
    is_big_endian: false,
};

/// The tests that are left out under qemu-user, with the reason.
const LEFT_OUT: [(&[&str], &str); 3] = [
    (
        &[
            "a_group_that_is_not_mapped_is_unknown",
            "sockets_for_another_process_are_not_taken",
            "systemds_sockets_are_taken_by_name",
            "the_handle_names_the_dead_process_when_its_id_is_another_ones",
            "the_only_socket_of_systemd_needs_no_name",
            "what_systemd_passes_is_checked",
        ],
        "qemu-user does not run the programs that a program starts",
    ),
    (
        &["a_supplementary_group_lets_in_on_a_socket_from_elsewhere", "all_of_many_groups_are_known"],
        "qemu-user reports at most one supplementary group of a peer",
    ),
    (&["bytes_arrive_in_order"], "it takes a minute under qemu-user"),
];

/// How long all of gRPC's cases may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The tests of `target`.
pub(crate) fn run(target: &Target) -> Platform {
    let mut platform = Platform::new(target.name);
    if let Some(missing) = target.missing() {
        platform.skipped.push(missing);
        return platform;
    }
    platform.notes.push(target.note());
    let mut test = target.cargo("test");
    test.args(["--no-fail-fast", "--tests", "--package=grpc-ipc-uds"]);
    if target.is_big_endian {
        test.arg("--package=grpc-ipc-core");
    }
    if target.emulator.is_some() {
        test.arg("--");
        for (names, reason) in LEFT_OUT {
            for name in names {
                test.args(["--skip", name]);
                platform.skipped.push(format!("{name}: {reason}"));
            }
        }
    }
    run_tests(&mut platform, &mut test);
    if target.is_big_endian {
        platform.check(&format!("calls between {ARCH} and {}", target.name), calls(target));
    }
    platform
}

/// Runs gRPC's own cases between a program for that processor and one for this one, in both directions.
fn calls(target: &Target) -> Result {
    run_command(target.cargo("build").args(["--package=grpc-ipc-examples", "--bin=peer"]))?;
    let built = workspace::root().join("target/cross").join(target.triple).join("debug/peer");
    // `cargo test` of this platform has built it.
    let here = || command(workspace::root().join("target/debug/peer"));
    let there = || target.run(&built);
    for (server, client) in [(here(), there()), (there(), here())] {
        one_direction(server, client)?;
    }
    Ok(())
}

fn one_direction(mut server: Command, mut client: Command) -> Result {
    let directory = workspace::root().join("target/cross");
    // A socket's path must be short.
    let address = format!("unix-abstract:grpc-ipc-targets-{}", std::process::id());
    server.args(["serve", &address]);
    client.args(["call", &address]);
    let mut server = Process::start(server, &directory, "server", LIMIT)?;
    server.wait_for("listening on").map_err(|error| format!("{error}: {}", server.report()))?;
    let mut client = Process::start(client, &directory, "client", LIMIT)?;
    let ended = client.finish()?;
    let printed = client.stdout()?;
    print!("{printed}");
    let passed = printed.lines().filter(|line| line.ends_with(": passed")).count();
    match ended {
        Some(status) if status.success() && passed == 18 => Ok(()),
        Some(status) => Err(format!("{status}, {passed} cases passed: {}", client.report()).into()),
        None => Err(format!("it did not end within {LIMIT:?}: {}", client.report()).into()),
    }
}

/// The directory with LLVM's libunwind as a static library, which programs with musl need to unwind.
pub(crate) fn libunwind() -> PathBuf {
    workspace::root().join("target/peers/musl/usr/lib/llvm-16/lib")
}

impl Target {
    /// Why nothing can be run here, if so.
    fn missing(&self) -> Option<String> {
        let qemu = self.emulator.as_ref().map(|emulator| emulator.qemu);
        let mut programs = [Some(self.gcc), qemu].into_iter().flatten();
        let what = match programs.find(|program| !works(command(program).arg("--version"))) {
            Some(program) => program,
            None if self.emulator.is_none() && !libunwind().join("libunwind.a").exists() => {
                "LLVM's libunwind"
            }
            None => return cross::missing(),
        };
        Some(format!("{what} is missing; run `cargo xtask setup`"))
    }

    fn note(&self) -> String {
        let Some(Emulator { qemu, what, .. }) = &self.emulator else {
            return format!("ran on this processor, statically linked for {}", self.triple);
        };
        let version = output(command(qemu).arg("--version")).unwrap_or_default();
        let version = version.split("version ").nth(1).and_then(|rest| rest.split([' ', '\n']).next());
        let version = version.unwrap_or("of unknown version");
        format!("ran under qemu-user {version} ({what}), not on such a machine")
    }

    /// `cargo` for this target.
    fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = cross::cargo(subcommand, self.triple);
        let name = self.triple.replace('-', "_").to_uppercase();
        cargo
            .env(format!("CARGO_TARGET_{name}_LINKER"), self.gcc)
            // What is built here is run once.
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        if let Some(Emulator { qemu, root, .. }) = &self.emulator {
            cargo.env(format!("CARGO_TARGET_{name}_RUNNER"), format!("{qemu} -L {root}"));
        } else {
            let flags = format!("-Dwarnings {} -Lnative={}", self.flags, libunwind().display());
            cargo.env("RUSTFLAGS", flags);
        }
        cargo
    }

    /// Runs a program for this target.
    fn run(&self, program: &Path) -> Command {
        let Some(Emulator { qemu, root, .. }) = &self.emulator else { return command(program) };
        let mut emulator = command(qemu);
        emulator.arg("-L").arg(root).arg(program);
        emulator
    }
}
