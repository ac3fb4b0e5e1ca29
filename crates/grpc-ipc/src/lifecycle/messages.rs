//! The messages of `proto/grpc/ipc/v1/lifecycle.proto`.

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DescribeRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Description {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
    #[prost(uint32, tag = "3")]
    pub(super) pid: u32,
    #[prost(int64, tag = "4")]
    pub(super) started_ms: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LeaveRequest {
    #[prost(uint32, tag = "1")]
    pub(super) pid: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LeaveResponse {}

pub(super) const SERVICE: &str = "grpc.ipc.v1.Lifecycle";
pub(super) const DESCRIBE: &str = "/grpc.ipc.v1.Lifecycle/Describe";
pub(super) const LEAVE: &str = "/grpc.ipc.v1.Lifecycle/Leave";
