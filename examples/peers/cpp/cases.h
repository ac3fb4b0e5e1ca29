// What the cases share: calls and checks.
#pragma once

#include <algorithm>
#include <chrono>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "peer.h"
#include "test.grpc.pb.h"

using grpc::Status;
using grpc::StatusCode;
using namespace grpc::testing;
using Channel = std::shared_ptr<grpc::Channel>;
using Requests = StreamingOutputCallRequest;
using Responses = StreamingOutputCallResponse;

struct Case {
  const char* name;
  void (*run)(const Channel&);
};

#define CASE(name) \
  Case { #name, name }

extern const std::vector<Case> kOfficialCases;
extern const std::vector<Case> kExtendedCases;

// The smallest case. Others call it to see that the channel still works.
void empty_unary(const Channel& channel);

// Why a case failed.
using Failure = std::runtime_error;

// Why a case says nothing about this server or this stack.
struct NotApplicable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr int kLargeRequest = 271'828;
constexpr int kLargeResponse = 314'159;

template <typename T, typename U>
void check_equal(const std::string& what, const T& seen, const U& expected) {
  if (seen == expected) return;
  std::ostringstream why;
  why << what << ": " << seen << " instead of " << expected;
  throw Failure(why.str());
}

inline std::string shown(const Status& status) {
  return "status " + std::to_string(status.error_code()) + ": \"" + status.error_message() + "\"";
}

inline void check_status(const Status& status, StatusCode expected = StatusCode::OK) {
  if (status.error_code() != expected) throw Failure(shown(status));
}

inline Payload zeros(size_t size) {
  Payload payload;
  payload.set_body(std::string(size, '\0'));
  return payload;
}

inline void check_zeros(const Payload& payload, size_t size) {
  check_equal("size of the response", payload.body().size(), size);
  const auto& body = payload.body();
  check_equal("bytes other than zero", size - std::count(body.begin(), body.end(), '\0'), 0u);
}

inline SimpleRequest simple_request(int response_size, int request_size) {
  SimpleRequest request;
  request.set_response_size(response_size);
  *request.mutable_payload() = zeros(request_size);
  return request;
}

inline SimpleRequest large_request() { return simple_request(kLargeResponse, kLargeRequest); }

inline Requests ask(int response_size, int request_size) {
  Requests request;
  request.add_response_parameters()->set_size(response_size);
  *request.mutable_payload() = zeros(request_size);
  return request;
}

inline Requests ask_status(StatusCode code, const std::string& message) {
  Requests request;
  request.mutable_response_status()->set_code(code);
  request.mutable_response_status()->set_message(message);
  return request;
}

inline StreamingInputCallRequest input(int size) {
  StreamingInputCallRequest request;
  *request.mutable_payload() = zeros(size);
  return request;
}

// What a call needs, with a deadline earlier than the limit of its case.
struct Call : grpc::ClientContext {
  explicit Call(std::chrono::milliseconds limit = std::chrono::seconds(15)) {
    set_deadline(std::chrono::system_clock::now() + limit);
  }
};

// Any stream of responses.
template <typename Reader>
void check_next(Reader& responses, size_t size) {
  Responses response;
  if (!responses->Read(&response)) throw Failure("no response, but " + shown(responses->Finish()));
  check_zeros(response.payload(), size);
}

template <typename Reader>
void check_end(Reader& responses) {
  Responses response;
  if (responses->Read(&response)) throw Failure("a response after the last");
  check_status(responses->Finish());
}
