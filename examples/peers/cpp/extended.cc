// Cases beyond gRPC's own: limits, metadata, statuses, deadlines, cancellation, the end of a connection, and the
// services that come with gRPC. They have the same names in every peer.

#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>

#include "cases.h"
#include "health.grpc.pb.h"
#include "reflection.grpc.pb.h"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kMiB = 1 << 20;

// Both sides must have been started with `--max-message-size 80000000`.
void message_sizes(const Channel& channel) {
  for (const int size : {0, 4 * kMiB - 1024, 4 * kMiB + 1, 64 * kMiB}) {
    Call call;
    SimpleResponse response;
    const auto status = TestService::NewStub(channel)->UnaryCall(&call, simple_request(size, size), &response);
    if (!status.ok()) throw Failure(std::to_string(size) + " bytes: " + shown(status));
    check_zeros(response.payload(), size);
  }
}

void message_too_large(const Channel& channel) {
  Call call;
  SimpleResponse response;
  const auto status = TestService::NewStub(channel)->UnaryCall(&call, simple_request(1, 4 * kMiB + 1), &response);
  if (status.ok()) throw NotApplicable("the server accepts messages of more than 4 MiB");
  check_status(status, StatusCode::RESOURCE_EXHAUSTED);
  empty_unary(channel);
}

void check_binary_echo(const Channel& channel, const std::vector<std::string>& values) {
  Call call;
  for (const auto& value : values) call.AddMetadata(kTrailingMetadata, value);
  Empty response;
  check_status(TestService::NewStub(channel)->EmptyCall(&call, Empty(), &response));
  std::vector<std::string> echoed;
  const auto [first, end] = call.GetServerTrailingMetadata().equal_range(kTrailingMetadata);
  for (auto found = first; found != end; ++found) echoed.emplace_back(found->second.data(), found->second.size());
  check_equal("number of values", echoed.size(), values.size());
  for (size_t i = 0; i < values.size(); i++) {
    if (echoed[i] != values[i]) throw Failure("a value of " + std::to_string(values[i].size()) + " bytes changed");
  }
}

std::string every_byte() {
  std::string bytes;
  for (int byte = 0; byte < 256; byte++) bytes.push_back(static_cast<char>(byte));
  return bytes;
}

void binary_metadata(const Channel& channel) {
  const std::string bytes("\xfb\xef\xbe\x00\xff", 5);
  for (size_t size = 0; size <= bytes.size(); size++) check_binary_echo(channel, {bytes.substr(0, size)});
  check_binary_echo(channel, {every_byte()});
  check_binary_echo(channel, {"\x01\x02", "\x03"});
}

void large_metadata(const Channel& channel) {
  const auto echoed = [&](size_t size, std::string* echo) {
    Call call;
    call.AddMetadata(kInitialMetadata, std::string(size, 'a'));
    Empty response;
    const auto status = TestService::NewStub(channel)->EmptyCall(&call, Empty(), &response);
    const auto& metadata = call.GetServerInitialMetadata();
    const auto found = metadata.find(kInitialMetadata);
    if (found != metadata.end()) *echo = {found->second.data(), found->second.size()};
    return status;
  };
  std::string echo;
  check_status(echoed(6 * 1024, &echo));
  check_equal("metadata that came back", echo == std::string(6 * 1024, 'a'), true);
  if (echoed(kMiB, &echo).ok()) throw NotApplicable("both sides accept 1 MiB of metadata");
  // C-core's server ends the connection too. A call that is already on its way then fails.
  Call next;
  Empty response;
  const auto status = TestService::NewStub(channel)->EmptyCall(&next, Empty(), &response);
  if (status.error_code() == StatusCode::UNAVAILABLE) return empty_unary(channel);
  check_status(status);
}

void many_calls(const Channel& channel) {
  constexpr int kCalls = 1'000;
  struct Pending {
    Call call;
    SimpleRequest request;
    SimpleResponse response;
    Status status;
  };
  const auto stub = TestService::NewStub(channel);
  std::vector<Pending> calls(kCalls);
  std::mutex mutex;
  std::condition_variable changed;
  int unanswered = kCalls;
  for (int i = 0; i < kCalls; i++) {
    auto& pending = calls[i];
    pending.request = simple_request(i, 1);
    stub->async()->UnaryCall(&pending.call, &pending.request, &pending.response, [&](Status status) {
      const std::lock_guard lock(mutex);
      pending.status = status;
      if (--unanswered == 0) changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return unanswered == 0; });
  for (int i = 0; i < kCalls; i++) {
    check_status(calls[i].status);
    check_zeros(calls[i].response.payload(), i);
  }
}

void trailers_only(const Channel& channel) {
  Call call;
  const auto stream = TestService::NewStub(channel)->FullDuplexCall(&call);
  stream->Write(ask_status(StatusCode::FAILED_PRECONDITION, "no message"));
  Responses response;
  if (stream->Read(&response)) throw Failure("a message came before the status");
  const auto status = stream->Finish();
  check_status(status, StatusCode::FAILED_PRECONDITION);
  check_equal("message", status.error_message(), "no message");
}

void every_status(const Channel& channel) {
  const std::string message = "ü € 😀 % \t \r\n";
  for (int code = 1; code <= 16; code++) {
    Call call;
    SimpleRequest request;
    request.mutable_response_status()->set_code(code);
    request.mutable_response_status()->set_message(message);
    SimpleResponse response;
    const auto status = TestService::NewStub(channel)->UnaryCall(&call, request, &response);
    check_status(status, static_cast<StatusCode>(code));
    check_equal("message of status " + std::to_string(code), status.error_message(), message);
  }
}

void status_details(const Channel& channel) {
  for (int count = 1; count <= 3; count++) {
    // A `google.rpc.Status` with the code, the message, and some empty details, for each padding of Base64. At least
    // one: grpc-go sends it only then.
    std::string details = "\x08\x03\x12\x07" "details";
    for (int i = 0; i < count; i++) details.append("\x1a\x00", 2);
    Call call;
    call.AddMetadata(kStatusDetails, details);
    Empty response;
    const auto status = TestService::NewStub(channel)->EmptyCall(&call, Empty(), &response);
    check_status(status, StatusCode::INVALID_ARGUMENT);
    check_equal("message", status.error_message(), "details");
    if (status.error_details() != details) {
      throw Failure("details of " + std::to_string(details.size()) + " bytes changed");
    }
  }
}

void deadlines(const Channel& channel) {
  empty_unary(channel);
  for (const auto limit : {milliseconds(50), milliseconds(seconds(5)), milliseconds(seconds(100)),
                           milliseconds(std::chrono::hours(3)), milliseconds(std::chrono::hours(30 * 24))}) {
    Call call(limit);
    Empty response;
    const auto status = TestService::NewStub(channel)->EmptyCall(&call, Empty(), &response);
    if (!status.ok()) throw Failure("a deadline of " + std::to_string(limit.count()) + " ms: " + shown(status));
  }
}

void deadline_passed(const Channel& channel) {
  Call call(seconds(-1));
  Empty response;
  check_status(TestService::NewStub(channel)->EmptyCall(&call, Empty(), &response), StatusCode::DEADLINE_EXCEEDED);
  empty_unary(channel);
}

template <typename Stream>
void check_cancelled(Call& call, Stream& stream, const std::string& phase) {
  call.TryCancel();
  const auto status = stream->Finish();
  if (status.error_code() != StatusCode::CANCELLED) throw Failure(phase + ": " + shown(status));
}

void cancel_phases(const Channel& channel) {
  const auto stub = TestService::NewStub(channel);
  {
    Call call;
    call.TryCancel();
    const auto stream = stub->FullDuplexCall(&call);
    check_cancelled(call, stream, "at once");
  }
  {
    Call call;
    const auto stream = stub->FullDuplexCall(&call);
    check_cancelled(call, stream, "after headers");
  }
  {
    Call call;
    const auto stream = stub->FullDuplexCall(&call);
    stream->Write(Requests());
    check_cancelled(call, stream, "after the first message sent");
  }
  {
    Call call;
    const auto stream = stub->FullDuplexCall(&call);
    stream->Write(ask(1, 1));
    check_next(stream, 1);
    check_cancelled(call, stream, "after the first message received");
  }
  {
    Call call;
    const auto stream = stub->FullDuplexCall(&call);
    auto late = ask(1, 1);
    late.mutable_response_parameters(0)->set_interval_us(1'000'000);
    stream->Write(late);
    stream->WritesDone();
    check_cancelled(call, stream, "after half-close");
  }
  {
    // More than every window, so that the server cannot have sent the end of it.
    Call call;
    Requests request;
    for (int i = 0; i < 1'000; i++) request.add_response_parameters()->set_size(64 * 1024);
    const auto responses = stub->StreamingOutputCall(&call, request);
    for (int i = 0; i < 10; i++) check_next(responses, 64 * 1024);
    check_cancelled(call, responses, "when the response is half read");
  }
  empty_unary(channel);
}

void empty_streams(const Channel& channel) {
  const auto stub = TestService::NewStub(channel);
  {
    Call call;
    StreamingInputCallResponse response;
    const auto requests = stub->StreamingInputCall(&call, &response);
    requests->WritesDone();
    check_status(requests->Finish());
    check_equal("total size", response.aggregated_payload_size(), 0);
  }
  {
    Call call;
    const auto stream = stub->FullDuplexCall(&call);
    stream->WritesDone();
    check_end(stream);
  }
  Call call;
  const auto stream = stub->HalfDuplexCall(&call);
  stream->WritesDone();
  Responses response;
  if (stream->Read(&response)) throw Failure("a response without a request");
  const auto status = stream->Finish();
  // Not every server has this method.
  if (status.error_code() != StatusCode::UNIMPLEMENTED) check_status(status);
}

void early_status(const Channel& channel) {
  Call call;
  const auto stream = TestService::NewStub(channel)->FullDuplexCall(&call);
  stream->Write(ask_status(StatusCode::ABORTED, "early"));
  // Write fails once the status is there.
  for (int i = 0; i < 128; i++) {
    Requests request;
    *request.mutable_payload() = zeros(64 * 1024);
    if (!stream->Write(request)) break;
  }
  stream->WritesDone();
  const auto status = stream->Finish();
  check_status(status, StatusCode::ABORTED);
  check_equal("message", status.error_message(), "early");
  empty_unary(channel);
}

// The server must have been started with `--max-connection-age 1`.
void connection_age(const Channel& channel) {
  const auto end = steady_clock::now() + seconds(3);
  const auto calls_until_end = [&] {
    while (steady_clock::now() < end) empty_unary(channel);
  };
  std::vector<std::future<void>> callers;
  for (int i = 0; i < 8; i++) callers.push_back(std::async(std::launch::async, calls_until_end));
  for (auto& caller : callers) caller.get();
}

void health(const Channel& channel) {
  using namespace grpc::health::v1;
  const auto check = [&](const std::string& service, HealthCheckResponse* response) {
    Call call;
    HealthCheckRequest request;
    request.set_service(service);
    return Health::NewStub(channel)->Check(&call, request, response);
  };
  HealthCheckResponse response;
  for (const auto service : {"", "grpc.testing.TestService"}) {
    check_status(check(service, &response));
    check_equal(std::string("health of \"") + service + '"', response.status(), HealthCheckResponse::SERVING);
  }
  check_status(check("unknown", &response), StatusCode::NOT_FOUND);
}

void reflection(const Channel& channel) {
  using namespace grpc::reflection::v1alpha;
  Call call;
  const auto stream = ServerReflection::NewStub(channel)->ServerReflectionInfo(&call);
  ServerReflectionRequest request;
  request.set_list_services("");
  stream->Write(request);
  stream->WritesDone();
  ServerReflectionResponse response;
  if (!stream->Read(&response)) throw Failure("no response, but " + shown(stream->Finish()));
  const auto& services = response.list_services_response().service();
  if (std::none_of(services.begin(), services.end(),
                   [](const ServiceResponse& one) { return one.name() == "grpc.testing.TestService"; })) {
    throw Failure("the list lacks grpc.testing.TestService: " + response.ShortDebugString());
  }
  check_status(stream->Finish());
}

}  // namespace

const std::vector<Case> kExtendedCases = {
    CASE(message_sizes),
    CASE(message_too_large),
    CASE(binary_metadata),
    CASE(large_metadata),
    CASE(many_calls),
    CASE(trailers_only),
    CASE(every_status),
    CASE(status_details),
    CASE(deadlines),
    CASE(deadline_passed),
    CASE(cancel_phases),
    CASE(empty_streams),
    CASE(early_status),
    CASE(connection_age),
    CASE(health),
    CASE(reflection),
};
