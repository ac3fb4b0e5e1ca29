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

// `EmptyCall` ends with the value of this as the details of its status.
inline constexpr char kStatusDetails[] = "x-status-details-bin";

// Runs the cases and prints a line for each: those of `names`, or, when there are none, the official or the extended
// ones. False when one of them failed. Throws std::invalid_argument when a name is unknown.
bool run_cases(const std::shared_ptr<grpc::Channel>& channel, const std::vector<std::string>& names, bool extended);

// `greet.Greeter` and `grpc.testing.TestService`.
std::vector<std::unique_ptr<grpc::Service>> services();
