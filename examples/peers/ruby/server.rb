# The server. A program in Ruby is not told whether a message that it received was compressed, and cannot choose for
# each response whether to compress it, so it does not support the four cases of compression.

require_relative 'messages'

class GreeterServer < Greet::Greeter::Service
  def say_hello(request, _call)
    Greet::HelloReply.new(message: "Hello #{request.name}")
  end
end

# The server side of gRPC's `interop-test-descriptions.md`. `UnimplementedCall` is absent: a case calls it.
class TestServer < T::TestService::Service
  def empty_call(request, call)
    echo_metadata(call)
    details = call.metadata[STATUS_DETAILS]
    return request unless details

    raise GRPC::BadStatus.new(GRPC::Core::StatusCodes::INVALID_ARGUMENT, 'details', GRPC_STATUS_DETAILS => details)
  end

  def unary_call(request, call)
    echo_metadata(call)
    end_as_wanted(request)
    T::SimpleResponse.new(payload: zeros(request.response_size))
  end

  def streaming_input_call(call)
    echo_metadata(call)
    size = 0
    call.each_remote_read do |request|
      end_as_wanted(request)
      size += request.payload ? request.payload.body.size : 0
    end
    T::StreamingInputCallResponse.new(aggregated_payload_size: size)
  end

  def streaming_output_call(request, call)
    full_duplex_call([request], call)
  end

  def full_duplex_call(requests, call)
    echo_metadata(call)
    Enumerator.new { |responses| requests.each { |request| respond(request, responses) } }
  end

  def half_duplex_call(requests, call)
    echo_metadata(call)
    Enumerator.new { |responses| requests.to_a.each { |request| respond(request, responses) } }
  end

  private

  def echo_metadata(call)
    only = lambda do |key|
      value = call.metadata[key]
      # It uses memory after it is freed (github.com/grpc/grpc/pull/42827).
      raise GRPC::Unimplemented, 'gRPC in Ruby cannot send several values of a key' if value.is_a?(Array)

      value ? { key => value } : {}
    end
    call.send_initial_metadata(only.call(INITIAL))
    call.output_metadata.update(only.call(TRAILING))
  end

  def respond(request, responses)
    end_as_wanted(request)
    request.response_parameters.each do |parameters|
      refuse_compression if parameters.compressed
      sleep(parameters.interval_us / 1e6)
      responses << T::StreamingOutputCallResponse.new(payload: zeros(parameters.size))
    end
  end

  def end_as_wanted(request)
    asks = ->(field) { request.respond_to?(field) && request.public_send(field) }
    refuse_compression if asks.call(:expect_compressed) || asks.call(:response_compressed)
    status = asks.call(:response_status)
    raise GRPC::BadStatus.new(status.code, status.message) if status && status.code != 0
  end

  def refuse_compression
    raise GRPC::Unimplemented, 'gRPC in Ruby neither compresses one response nor tells what was compressed'
  end
end

def serve(addresses, options)
  targets = addresses.map { |address| target(address) }
  age = options[:max_connection_age]
  arguments = message_size(options[:max_message_size])
  arguments['grpc.max_connection_age_ms'] = (age * 1000).to_i if age
  # By default it has 30 threads, and refuses calls while they are busy.
  server = GRPC::RpcServer.new(pool_size: 1024, server_args: arguments)
  ports = targets.map { |target| server.add_http2_port(target, :this_port_is_insecure) }
  health = Grpc::Health::Checker.new
  health.set_status_for_services(Grpc::Health::V1::HealthCheckResponse::ServingStatus::SERVING, '', TEST_SERVICE)
  [GreeterServer.new, TestServer.new, health].each { |service| server.handle(service) }
  Thread.new do
    server.wait_till_running
    addresses.zip(ports) do |address, port|
      puts "listening on #{address.start_with?('tcp:') ? address.sub(/\d+\z/, port.to_s) : address}"
    end
    $stdout.flush
  end
  server.run_till_terminated_or_interrupted(%w[INT TERM])
end
