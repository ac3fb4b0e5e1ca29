use grpc_ipc_conformance::skip;

use crate::util::{Workshop, checkout, grpc_ipc_new, succeed};

/// Each package builds without a warning, and is formatted, and passes its tests, which run its programs.
#[test]
fn the_package_of_each_template_passes_its_tests() {
    let Some(workshop) = Workshop::new("the_package_of_each_template_passes_its_tests") else { return };
    let created = tempfile::tempdir().unwrap();
    let rustfmt_is_installed = workshop
        .cargo(created.path())
        .args(["fmt", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !rustfmt_is_installed {
        skip("cargo fmt --check in the packages", "rustfmt is not installed");
    }
    for template in ["service", "daemon", "desktop", "plugin"] {
        let name = format!("my-{template}");
        let checkout = checkout().to_str().unwrap();
        let output =
            grpc_ipc_new(created.path(), &[&name, "--template", template, "--grpc-ipc-path", checkout]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let created = created.path().join(name);
        // Outside of this repository, whose rules are not the default ones.
        if rustfmt_is_installed {
            succeed(workshop.cargo(&created).args(["fmt", "--check"]));
        }
        let directory = workshop.bring_in(&created);
        let printed = succeed(workshop.cargo(&directory).args(["test", "--quiet"]));
        let tests = printed.lines().filter(|line| line.starts_with("test result: ok. 1 passed")).count();
        assert_eq!(tests, 1, "{printed}");
    }
}
