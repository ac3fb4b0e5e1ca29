# The messages and services of `proto/`, which `cargo xtask setup` compiles, and what server and client share.

require 'grpc'
require 'grpc/health/checker'

$LOAD_PATH << File.expand_path('../../../target/peers/ruby', __dir__)
require 'greet_services_pb'
require 'test_services_pb'

# The messages of `grpc.testing`.
T = Grpc::Testing
TEST_SERVICE = T::TestService::Service.service_name

INITIAL = 'x-grpc-test-echo-initial'.freeze
TRAILING = 'x-grpc-test-echo-trailing-bin'.freeze
STATUS_DETAILS = 'x-status-details-bin'.freeze
GRPC_STATUS_DETAILS = 'grpc-status-details-bin'.freeze
# How C-core is asked to compress the messages of a call.
COMPRESS = { 'grpc-internal-encoding-request' => 'gzip' }.freeze

# Seconds that a call may take, and a case.
LIMIT = 15
CASE_LIMIT = 20

# Why a case failed.
class Failure < StandardError; end

# A feature that the stack lacks.
class NotApplicable < StandardError; end

def zeros(size)
  T::Payload.new(body: "\0" * size)
end

def ask(size, request_size: 0, interval_us: 0)
  parameters = T::ResponseParameters.new(size: size, interval_us: interval_us)
  T::StreamingOutputCallRequest.new(response_parameters: [parameters], payload: zeros(request_size))
end

# The name that gRPC resolves.
def target(address)
  scheme, rest = address.split(':', 2)
  case scheme
  when 'unix', 'unix-abstract' then address
  when 'tcp' then rest
  when 'npipe' then raise NotApplicable, "gRPC's C-core has no named pipes"
  else raise NotApplicable, "no transport has the address #{address}"
  end
end

def message_size(size)
  size ? { 'grpc.max_receive_message_length' => size, 'grpc.max_send_message_length' => size } : {}
end
