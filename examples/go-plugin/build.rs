fn main() -> Result<(), grpc_ipc_build::Error> {
    grpc_ipc_build::compile_protos(&["proto/greeting.proto", "proto/go-plugin.proto"])
}
