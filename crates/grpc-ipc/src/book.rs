//! The pages of the book in `docs/` that have code of their own, so that the tests compile it. Pages that are also
//! documentation of a module are included there.

macro_rules! pages {
    ($($name:ident $file:literal,)*) => {
        $(#[doc = include_str!($file)] mod $name {})*
    };
}

pages! {
    introduction "../docs/introduction.md",
    addresses "../docs/guide/addresses.md",
    access "../docs/guide/access.md",
    process "../docs/guide/process.md",
    lifecycle "../docs/guide/lifecycle.md",
    streaming "../docs/guide/streaming.md",
    errors "../docs/guide/errors.md",
    deadlines "../docs/guide/deadlines.md",
    testing "../docs/guide/testing.md",
    observability "../docs/guide/observability.md",
    performance "../docs/guide/performance.md",
    deployment "../docs/guide/deployment.md",
    tonic "../docs/migrating/tonic.md",
    other_crates "../docs/migrating/other-crates.md",
}
