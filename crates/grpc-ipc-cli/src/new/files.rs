//! The files of the templates: path and text. Written by `cargo xtask templates`.

pub(super) type Files = &'static [(&'static str, &'static str)];

pub(super) const SERVICE: Files = &[
    (".gitignore", include_str!("../../templates/service/.gitignore")),
    ("Cargo.toml", include_str!("../../templates/service/Cargo.toml.liquid")),
    ("build.rs", include_str!("../../templates/service/build.rs")),
    ("proto/greet.proto", include_str!("../../templates/service/proto/greet.proto")),
    ("src/bin/client.rs", include_str!("../../templates/service/src/bin/client.rs")),
    ("src/bin/server.rs", include_str!("../../templates/service/src/bin/server.rs")),
    ("src/lib.rs", include_str!("../../templates/service/src/lib.rs")),
    ("tests/greeter.rs", include_str!("../../templates/service/tests/greeter.rs")),
];

pub(super) const DAEMON: Files = &[
    (".gitignore", include_str!("../../templates/daemon/.gitignore")),
    ("Cargo.toml", include_str!("../../templates/daemon/Cargo.toml.liquid")),
    ("build.rs", include_str!("../../templates/daemon/build.rs")),
    ("proto/notes.proto", include_str!("../../templates/daemon/proto/notes.proto")),
    ("src/bin/notes.rs", include_str!("../../templates/daemon/src/bin/notes.rs")),
    ("src/bin/notesd.rs", include_str!("../../templates/daemon/src/bin/notesd.rs")),
    ("src/lib.rs", include_str!("../../templates/daemon/src/lib.rs")),
    ("tests/notes.rs", include_str!("../../templates/daemon/tests/notes.rs")),
];

pub(super) const DESKTOP: Files = &[
    (".gitignore", include_str!("../../templates/desktop/.gitignore")),
    ("Cargo.toml", include_str!("../../templates/desktop/Cargo.toml.liquid")),
    ("build.rs", include_str!("../../templates/desktop/build.rs")),
    ("proto/converter.proto", include_str!("../../templates/desktop/proto/converter.proto")),
    ("src/bin/helper.rs", include_str!("../../templates/desktop/src/bin/helper.rs")),
    ("src/bin/program.rs", include_str!("../../templates/desktop/src/bin/program.rs")),
    ("src/lib.rs", include_str!("../../templates/desktop/src/lib.rs")),
    ("tests/program.rs", include_str!("../../templates/desktop/tests/program.rs")),
];

pub(super) const PLUGIN: Files = &[
    (".gitignore", include_str!("../../templates/plugin/.gitignore")),
    ("Cargo.toml", include_str!("../../templates/plugin/Cargo.toml.liquid")),
    ("build.rs", include_str!("../../templates/plugin/build.rs")),
    ("proto/plugin.proto", include_str!("../../templates/plugin/proto/plugin.proto")),
    ("src/bin/host.rs", include_str!("../../templates/plugin/src/bin/host.rs")),
    ("src/bin/plugin.rs", include_str!("../../templates/plugin/src/bin/plugin.rs")),
    ("src/lib.rs", include_str!("../../templates/plugin/src/lib.rs")),
    ("tests/host.rs", include_str!("../../templates/plugin/tests/host.rs")),
];
