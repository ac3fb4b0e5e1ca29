// The server side of gRPC's `interop-test-descriptions.md`. `grpc.testing.UnimplementedService` and the method
// `UnimplementedCall` are absent on purpose: cases call them.

#include <algorithm>
#include <chrono>
#include <thread>

#include "greet.grpc.pb.h"
#include "peer.h"
#include "test.grpc.pb.h"

namespace {

using grpc::ServerContext;
using grpc::Status;
using namespace grpc::testing;

void echo_metadata(ServerContext* context) {
  const auto& metadata = context->client_metadata();
  const auto initial = metadata.find(kInitialMetadata);
  if (initial != metadata.end()) {
    context->AddInitialMetadata(kInitialMetadata, {initial->second.data(), initial->second.size()});
  }
  const auto [first, end] = metadata.equal_range(kTrailingMetadata);
  for (auto trailing = first; trailing != end; ++trailing) {
    context->AddTrailingMetadata(kTrailingMetadata, {trailing->second.data(), trailing->second.size()});
  }
}

// A request that says how it travels must have travelled so.
template <typename Request>
Status check_compression(ServerContext* context, const Request& request) {
  const bool compressed = was_compressed(context->c_call());
  if (request.has_expect_compressed() && request.expect_compressed().value() != compressed) {
    return {grpc::INVALID_ARGUMENT, compressed ? "the message was compressed" : "the message was not compressed"};
  }
  return Status::OK;
}

template <typename Request>
Status wanted_status(const Request& request) {
  const auto& status = request.response_status();
  return {static_cast<grpc::StatusCode>(status.code()), status.message()};
}

// Waits, but not longer than the client.
void wait(ServerContext* context, std::chrono::microseconds interval) {
  const auto end = std::chrono::steady_clock::now() + interval;
  while (std::chrono::steady_clock::now() < end && !context->IsCancelled()) {
    std::this_thread::sleep_for(std::min(interval, std::chrono::microseconds(5'000)));
  }
}

void set_zeros(Payload* payload, int size) { payload->set_body(std::string(size, '\0')); }

class Interop final : public TestService::Service {
  Status EmptyCall(ServerContext* context, const Empty*, Empty*) override {
    echo_metadata(context);
    const auto details = context->client_metadata().find(kStatusDetails);
    if (details == context->client_metadata().end()) return Status::OK;
    return {grpc::INVALID_ARGUMENT, "details", {details->second.data(), details->second.size()}};
  }

  Status UnaryCall(ServerContext* context, const SimpleRequest* request, SimpleResponse* response) override {
    echo_metadata(context);
    const auto checked = check_compression(context, *request);
    if (!checked.ok()) return checked;
    if (request->response_compressed().value()) context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    set_zeros(response->mutable_payload(), request->response_size());
    return wanted_status(*request);
  }

  Status StreamingOutputCall(ServerContext* context, const StreamingOutputCallRequest* request,
                             grpc::ServerWriter<StreamingOutputCallResponse>* responses) override {
    echo_metadata(context);
    // Only then: not every client takes a stream that may have compressed messages.
    for (const auto& parameters : request->response_parameters()) {
      if (parameters.compressed().value()) context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    }
    return answer(context, *request, responses);
  }

  Status StreamingInputCall(ServerContext* context, grpc::ServerReader<StreamingInputCallRequest>* requests,
                            StreamingInputCallResponse* response) override {
    echo_metadata(context);
    StreamingInputCallRequest request;
    int size = 0;
    while (requests->Read(&request)) {
      const auto checked = check_compression(context, request);
      if (!checked.ok()) return checked;
      size += request.payload().body().size();
    }
    response->set_aggregated_payload_size(size);
    return Status::OK;
  }

  using Stream = grpc::ServerReaderWriter<StreamingOutputCallResponse, StreamingOutputCallRequest>;

  Status FullDuplexCall(ServerContext* context, Stream* stream) override {
    echo_metadata(context);
    StreamingOutputCallRequest request;
    while (stream->Read(&request)) {
      const auto status = answer(context, request, stream);
      if (!status.ok()) return status;
    }
    return Status::OK;
  }

  Status HalfDuplexCall(ServerContext* context, Stream* stream) override {
    echo_metadata(context);
    std::vector<StreamingOutputCallRequest> requests(1);
    while (stream->Read(&requests.back())) requests.emplace_back();
    requests.pop_back();
    for (const auto& request : requests) {
      const auto status = answer(context, request, stream);
      if (!status.ok()) return status;
    }
    return Status::OK;
  }

  // Sends what a request asks for; gives the status that it asks for.
  template <typename Writer>
  static Status answer(ServerContext* context, const StreamingOutputCallRequest& request, Writer* responses) {
    for (const auto& parameters : request.response_parameters()) {
      wait(context, std::chrono::microseconds(parameters.interval_us()));
      StreamingOutputCallResponse response;
      set_zeros(response.mutable_payload(), parameters.size());
      grpc::WriteOptions options;
      if (!parameters.compressed().value()) options.set_no_compression();
      if (!responses->Write(response, options)) return {grpc::CANCELLED, "the client has gone"};
    }
    return wanted_status(request);
  }
};

class Greeter final : public greet::Greeter::Service {
  Status SayHello(ServerContext*, const greet::HelloRequest* request, greet::HelloReply* reply) override {
    reply->set_message("Hello " + request->name());
    return Status::OK;
  }
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> services() {
  std::vector<std::unique_ptr<grpc::Service>> all;
  all.push_back(std::make_unique<Greeter>());
  all.push_back(std::make_unique<Interop>());
  return all;
}
