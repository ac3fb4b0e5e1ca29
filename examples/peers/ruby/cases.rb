# gRPC's cases (`interop-test-descriptions.md`). Each call has a deadline.

require_relative 'checks'

REQUEST_SIZES = [27_182, 8, 1_828, 45_904].freeze
RESPONSE_SIZES = [31_415, 9, 2_653, 58_979].freeze

def large_request(**more)
  T::SimpleRequest.new(response_size: 314_159, payload: zeros(271_828), **more)
end

def flag(value)
  T::BoolValue.new(value: value)
end

CASES = {
  empty_unary: ->(client) { check_next_call(client) },

  large_unary: ->(client) { check_zeros(client.unary(:unary_call, large_request).first, 314_159) },

  client_streaming: lambda do |client|
    requests = REQUEST_SIZES.map { |size| T::StreamingInputCallRequest.new(payload: zeros(size)) }
    check_equal('total size', upload(client, requests), 74_922)
  end,

  server_streaming: lambda do |client|
    parameters = RESPONSE_SIZES.map { |size| T::ResponseParameters.new(size: size) }
    request = T::StreamingOutputCallRequest.new(response_parameters: parameters)
    check_responses(client.call(:streaming_output_call, request: request), RESPONSE_SIZES)
  end,

  ping_pong: lambda do |client|
    call = client.call(:full_duplex_call)
    REQUEST_SIZES.zip(RESPONSE_SIZES) do |request_size, size|
      call.send(ask(size, request_size: request_size))
      check_zeros(call.receive, size)
    end
    call.finish_sending
    check_responses(call, [])
  end,

  empty_stream: lambda do |client|
    call = client.call(:full_duplex_call)
    call.finish_sending
    check_responses(call, [])
  end,

  custom_metadata: lambda do |client|
    metadata = { INITIAL => 'test_initial_metadata_value', TRAILING => "\xab\xab\xab".b }
    check_echoes = lambda do |initial, trailing|
      check_equal('initial metadata', values(initial, INITIAL), [metadata[INITIAL]])
      check_equal('trailing metadata', values(trailing, TRAILING), [metadata[TRAILING]])
    end
    response, *echoes = client.unary(:unary_call, large_request, metadata: metadata)
    check_zeros(response, 314_159)
    check_echoes.call(*echoes)
    call = client.call(:full_duplex_call, metadata: metadata)
    call.send(ask(314_159, request_size: 271_828))
    call.finish_sending
    check_responses(call, [314_159])
    check_echoes.call(*call.metadata)
  end,

  status_code_and_message: lambda do |client|
    status = T::EchoStatus.new(code: 2, message: 'test status message')
    request = T::SimpleRequest.new(response_status: status)
    check_status(:UNKNOWN, status.message) { client.unary(:unary_call, request) }
    call = client.call(:full_duplex_call)
    call.send(T::StreamingOutputCallRequest.new(response_status: status))
    call.finish_sending
    check_status(:UNKNOWN, status.message) { call.receive }
  end,

  special_status_message: lambda do |client|
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    request = T::SimpleRequest.new(response_status: T::EchoStatus.new(code: 2, message: message))
    check_status(:UNKNOWN, message) { client.unary(:unary_call, request) }
  end,

  unimplemented_method: lambda do |client|
    check_status(:UNIMPLEMENTED) { client.unary(:unimplemented_call, T::Empty.new) }
  end,

  unimplemented_service: lambda do |client|
    check_status(:UNIMPLEMENTED) { client.unary(:absent, T::Empty.new) }
  end,

  cancel_after_begin: lambda do |client|
    call = client.call(:streaming_input_call)
    # This one follows it on the same connection: once it is answered, the server has heard of both.
    check_next_call(client)
    call.cancel
    check_status(:CANCELLED) { call.receive }
  end,

  cancel_after_first_response: lambda do |client|
    call = client.call(:full_duplex_call)
    call.send(ask(31_415, request_size: 27_182))
    check_zeros(call.receive, 31_415)
    call.cancel
    check_status(:CANCELLED) { call.receive }
  end,

  timeout_on_sleeping_server: lambda do |client|
    call = client.call(:full_duplex_call, timeout: 0.001)
    call.send(T::StreamingOutputCallRequest.new(payload: zeros(27_182)))
    check_status(:DEADLINE_EXCEEDED) { call.receive }
    call.finish_sending
  end,

  client_compressed_unary: lambda do |client|
    compressed = large_request(expect_compressed: flag(true))
    check_zeros(client.unary(:unary_call, compressed, compressed: true).first, 314_159)
    check_status(:INVALID_ARGUMENT) { client.unary(:unary_call, compressed) }
    check_zeros(client.unary(:unary_call, large_request(expect_compressed: flag(false))).first, 314_159)
  end,

  # Ruby is not told whether the response was compressed.
  server_compressed_unary: lambda do |client|
    [true, false].each do |compressed|
      request = large_request(response_compressed: flag(compressed))
      check_zeros(client.unary(:unary_call, request).first, 314_159)
    end
  end,

  client_compressed_streaming: lambda do |client|
    request = lambda do |compressed, body|
      T::StreamingInputCallRequest.new(expect_compressed: flag(compressed), payload: T::Payload.new(body: body))
    end
    compressed = request.call(true, "\0" * 27_182)
    # C-core does not compress what would not get smaller.
    uncompressed = request.call(false, Random.bytes(45_904))
    check_equal('total size', upload(client, [compressed, uncompressed], compressed: true), 73_086)
    check_status(:INVALID_ARGUMENT) { upload(client, [compressed]) }
  end,

  server_compressed_streaming: lambda do |client|
    parameters = { 31_415 => true, 92_653 => false }.map do |size, compressed|
      T::ResponseParameters.new(size: size, compressed: flag(compressed))
    end
    request = T::StreamingOutputCallRequest.new(response_parameters: parameters)
    check_responses(client.call(:streaming_output_call, request: request), [31_415, 92_653])
  end
}.freeze
