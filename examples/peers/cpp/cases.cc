// The client side of gRPC's `interop-test-descriptions.md`: a function a case.

#include "cases.h"

namespace {

constexpr int kRequestSizes[] = {27'182, 8, 1'828, 45'904};
constexpr int kResponseSizes[] = {31'415, 9, 2'653, 58'979};

void large_unary(const Channel& channel) {
  Call call;
  SimpleResponse response;
  check_status(TestService::NewStub(channel)->UnaryCall(&call, large_request(), &response));
  check_zeros(response.payload(), kLargeResponse);
}

void client_streaming(const Channel& channel) {
  Call call;
  StreamingInputCallResponse response;
  const auto requests = TestService::NewStub(channel)->StreamingInputCall(&call, &response);
  for (const int size : kRequestSizes) requests->Write(input(size));
  requests->WritesDone();
  check_status(requests->Finish());
  check_equal("total size", response.aggregated_payload_size(), 74'922);
}

void server_streaming(const Channel& channel) {
  Call call;
  Requests request;
  for (const int size : kResponseSizes) request.add_response_parameters()->set_size(size);
  const auto responses = TestService::NewStub(channel)->StreamingOutputCall(&call, request);
  for (const int size : kResponseSizes) check_next(responses, size);
  check_end(responses);
}

void ping_pong(const Channel& channel) {
  Call call;
  const auto stream = TestService::NewStub(channel)->FullDuplexCall(&call);
  for (int i = 0; i < 4; i++) {
    stream->Write(ask(kResponseSizes[i], kRequestSizes[i]));
    check_next(stream, kResponseSizes[i]);
  }
  stream->WritesDone();
  check_end(stream);
}

void empty_stream(const Channel& channel) {
  Call call;
  const auto stream = TestService::NewStub(channel)->FullDuplexCall(&call);
  stream->WritesDone();
  check_end(stream);
}

const std::string kInitialValue = "test_initial_metadata_value";
const std::string kTrailingValue = "\xab\xab\xab";

void send_metadata(Call& call) {
  call.AddMetadata(kInitialMetadata, kInitialValue);
  call.AddMetadata(kTrailingMetadata, kTrailingValue);
}

void check_echoes(const Call& call) {
  const auto value = [](const auto& metadata, const char* key) -> std::string {
    const auto found = metadata.find(key);
    return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
  };
  check_equal("initial metadata", value(call.GetServerInitialMetadata(), kInitialMetadata), kInitialValue);
  check_equal("trailing metadata", value(call.GetServerTrailingMetadata(), kTrailingMetadata), kTrailingValue);
}

void custom_metadata(const Channel& channel) {
  const auto stub = TestService::NewStub(channel);
  {
    Call call;
    send_metadata(call);
    SimpleResponse response;
    check_status(stub->UnaryCall(&call, large_request(), &response));
    check_zeros(response.payload(), kLargeResponse);
    check_echoes(call);
  }
  Call call;
  send_metadata(call);
  const auto stream = stub->FullDuplexCall(&call);
  stream->Write(ask(kLargeResponse, kLargeRequest));
  stream->WritesDone();
  check_next(stream, kLargeResponse);
  check_end(stream);
  check_echoes(call);
}

// Asks a unary call for status UNKNOWN with `message`.
void unary_status(TestService::Stub& stub, const std::string& message) {
  Call call;
  SimpleRequest request;
  request.mutable_response_status()->set_code(StatusCode::UNKNOWN);
  request.mutable_response_status()->set_message(message);
  SimpleResponse response;
  const auto status = stub.UnaryCall(&call, request, &response);
  check_status(status, StatusCode::UNKNOWN);
  check_equal("message of the unary call", status.error_message(), message);
}

void status_code_and_message(const Channel& channel) {
  const std::string message = "test status message";
  const auto stub = TestService::NewStub(channel);
  unary_status(*stub, message);

  Call call;
  const auto stream = stub->FullDuplexCall(&call);
  stream->Write(ask_status(StatusCode::UNKNOWN, message));
  stream->WritesDone();
  const auto status = stream->Finish();
  check_status(status, StatusCode::UNKNOWN);
  check_equal("message of the duplex call", status.error_message(), message);
}

void special_status_message(const Channel& channel) {
  unary_status(*TestService::NewStub(channel), "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n");
}

void unimplemented_method(const Channel& channel) {
  Call call;
  Empty response;
  const auto status = TestService::NewStub(channel)->UnimplementedCall(&call, Empty(), &response);
  check_status(status, StatusCode::UNIMPLEMENTED);
}

void unimplemented_service(const Channel& channel) {
  Call call;
  Empty response;
  const auto status = UnimplementedService::NewStub(channel)->UnimplementedCall(&call, Empty(), &response);
  check_status(status, StatusCode::UNIMPLEMENTED);
}

void cancel_after_begin(const Channel& channel) {
  Call call;
  StreamingInputCallResponse response;
  const auto requests = TestService::NewStub(channel)->StreamingInputCall(&call, &response);
  // This one follows it on the same connection: once it is answered, the server has heard of both.
  empty_unary(channel);
  call.TryCancel();
  check_status(requests->Finish(), StatusCode::CANCELLED);
}

void cancel_after_first_response(const Channel& channel) {
  Call call;
  const auto stream = TestService::NewStub(channel)->FullDuplexCall(&call);
  stream->Write(ask(31'415, 27'182));
  check_next(stream, 31'415);
  call.TryCancel();
  check_status(stream->Finish(), StatusCode::CANCELLED);
}

void timeout_on_sleeping_server(const Channel& channel) {
  Call call(std::chrono::milliseconds(1));
  const auto stream = TestService::NewStub(channel)->FullDuplexCall(&call);
  Requests request;
  *request.mutable_payload() = zeros(27'182);
  stream->Write(request);
  check_status(stream->Finish(), StatusCode::DEADLINE_EXCEEDED);
}

void client_compressed_unary(const Channel& channel) {
  const auto stub = TestService::NewStub(channel);
  const auto unary = [&](bool compress, bool expect, StatusCode code) {
    Call call;
    if (compress) call.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    auto request = large_request();
    request.mutable_expect_compressed()->set_value(expect);
    SimpleResponse response;
    check_status(stub->UnaryCall(&call, request, &response), code);
    if (code == StatusCode::OK) check_zeros(response.payload(), kLargeResponse);
  };
  unary(false, true, StatusCode::INVALID_ARGUMENT);
  unary(true, true, StatusCode::OK);
  unary(false, false, StatusCode::OK);
}

void server_compressed_unary(const Channel& channel) {
  for (const bool compressed : {true, false}) {
    Call call;
    auto request = large_request();
    request.mutable_response_compressed()->set_value(compressed);
    SimpleResponse response;
    check_status(TestService::NewStub(channel)->UnaryCall(&call, request, &response));
    check_zeros(response.payload(), kLargeResponse);
    check_equal("response compressed", was_compressed(call.c_call()), compressed);
  }
}

void client_compressed_streaming(const Channel& channel) {
  const auto stub = TestService::NewStub(channel);
  const auto expecting = [](bool compressed, int size) {
    auto request = input(size);
    request.mutable_expect_compressed()->set_value(compressed);
    return request;
  };
  {
    Call call;
    StreamingInputCallResponse response;
    const auto requests = stub->StreamingInputCall(&call, &response);
    requests->Write(expecting(true, 27'182));
    requests->WritesDone();
    check_status(requests->Finish(), StatusCode::INVALID_ARGUMENT);
  }
  Call call;
  call.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  StreamingInputCallResponse response;
  const auto requests = stub->StreamingInputCall(&call, &response);
  requests->Write(expecting(true, 27'182));
  requests->Write(expecting(false, 45'904), grpc::WriteOptions().set_no_compression());
  requests->WritesDone();
  check_status(requests->Finish());
  check_equal("total size", response.aggregated_payload_size(), 73'086);
}

void server_compressed_streaming(const Channel& channel) {
  Call call;
  Requests request;
  for (const auto& [compressed, size] : {std::pair(true, 31'415), std::pair(false, 92'653)}) {
    auto* parameters = request.add_response_parameters();
    parameters->mutable_compressed()->set_value(compressed);
    parameters->set_size(size);
  }
  const auto responses = TestService::NewStub(channel)->StreamingOutputCall(&call, request);
  for (const auto& parameters : request.response_parameters()) {
    check_next(responses, parameters.size());
    check_equal("response compressed", was_compressed(call.c_call()), parameters.compressed().value());
  }
  check_end(responses);
}

}  // namespace

void empty_unary(const Channel& channel) {
  Call call;
  Empty response;
  check_status(TestService::NewStub(channel)->EmptyCall(&call, Empty(), &response));
}

const std::vector<Case> kOfficialCases = {
    CASE(empty_unary),
    CASE(large_unary),
    CASE(client_streaming),
    CASE(server_streaming),
    CASE(ping_pong),
    CASE(empty_stream),
    CASE(custom_metadata),
    CASE(status_code_and_message),
    CASE(special_status_message),
    CASE(unimplemented_method),
    CASE(unimplemented_service),
    CASE(cancel_after_begin),
    CASE(cancel_after_first_response),
    CASE(timeout_on_sleeping_server),
    CASE(client_compressed_unary),
    CASE(server_compressed_unary),
    CASE(client_compressed_streaming),
    CASE(server_compressed_streaming),
};
