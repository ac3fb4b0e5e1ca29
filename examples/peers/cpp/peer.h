// The parts of the peer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

// C-core tells these flags to its own interoperability tests alone, and so declares this in no header that it installs
// (`src/core/lib/surface/call_test_only.h`).
uint32_t grpc_call_test_only_get_message_flags(grpc_call* call);

// Whether the last message that a call received was compressed.
inline bool was_compressed(grpc_call* call) {
  // `src/core/lib/surface/call.h`: GRPC_WRITE_INTERNAL_TEST_ONLY_WAS_COMPRESSED.
  constexpr uint32_t kWasCompressed = 0x40000000;
  return grpc_call_test_only_get_message_flags(call) & kWasCompressed;
}

// What the server echoes of a request's metadata, and where.
inline constexpr char kInitialMetadata[] = "x-grpc-test-echo-initial";
inline constexpr char kTrailingMetadata[] = "x-grpc-test-echo-trailing-bin";

// Runs the cases, or all when `names` is empty, and prints a line for each. False when one of them failed.
// Throws std::invalid_argument when there is no case of one of the names.
bool run_cases(const std::shared_ptr<grpc::Channel>& channel, const std::vector<std::string>& names);

// `greet.Greeter` and `grpc.testing.TestService`.
std::vector<std::unique_ptr<grpc::Service>> services();
