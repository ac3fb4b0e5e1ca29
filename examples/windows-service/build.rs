fn main() -> Result<(), grpc_ipc_build::Error> {
    grpc_ipc_build::configure()
        .build_blocking_client(true)
        .compile_protos(&["proto/updater.proto"], &["proto"])
}
