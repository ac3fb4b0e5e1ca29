//! Reflection. Clients ask for one of two versions of the service, which have the same messages.

use grpc_ipc_proto::FILE_DESCRIPTOR_SET;
use tonic_reflection::server::{Builder, v1, v1alpha};

pub(super) fn v1() -> v1::ServerReflectionServer<impl v1::ServerReflection> {
    builder().build_v1().expect(VALID)
}

pub(super) fn v1alpha() -> v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection> {
    builder().build_v1alpha().expect(VALID)
}

const VALID: &str = "the descriptors are the output of a compiler";

fn builder() -> Builder<'static> {
    Builder::configure().register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
}
