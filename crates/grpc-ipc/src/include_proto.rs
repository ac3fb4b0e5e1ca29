/// Includes what `grpc-ipc-build` has generated for a package of .proto files.
///
/// The argument is the package, as the .proto files name it, or `"_"` for files without a package. The build script has
/// written the code to `OUT_DIR`, which is the default.
///
/// # Examples
///
/// ```ignore
/// mod greet {
///     grpc_ipc::include_proto!("greet");
/// }
/// ```
#[macro_export]
macro_rules! include_proto {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}
