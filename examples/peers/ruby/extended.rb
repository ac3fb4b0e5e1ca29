# More cases than gRPC's own, with the same names in all peers.

require_relative 'checks'

MIB = 1024 * 1024
HOUR = 60 * 60

CODES = %i[
  CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED
  FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED
].freeze

def sized(request_size, response_size = 0)
  T::SimpleRequest.new(response_size: response_size, payload: zeros(request_size))
end

def ending(code, message)
  T::StreamingOutputCallRequest.new(response_status: T::EchoStatus.new(code: code, message: message))
end

# The phases in which a call is cancelled. Each begins a call, and brings it to that phase.
PHASES = {
  at_once: ->(client) { client.call(:full_duplex_call) },

  after_headers: lambda do |client|
    call = client.call(:full_duplex_call)
    # As in `cancel_after_begin`.
    check_next_call(client)
    call
  end,

  after_first_message_sent: lambda do |client|
    call = client.call(:full_duplex_call)
    call.send(T::StreamingOutputCallRequest.new(payload: zeros(1000)))
    check_next_call(client)
    call
  end,

  after_first_message_received: lambda do |client|
    call = client.call(:full_duplex_call)
    call.send(ask(1000))
    check_zeros(call.receive, 1000)
    call
  end,

  after_half_close: lambda do |client|
    call = client.call(:full_duplex_call)
    call.send(ask(1000, interval_us: 10_000_000))
    call.finish_sending
    check_next_call(client)
    call
  end,

  when_half_is_read: lambda do |client|
    # More than any stack reads ahead.
    parameters = [T::ResponseParameters.new(size: MIB)] * 16
    request = T::StreamingOutputCallRequest.new(response_parameters: parameters)
    call = client.call(:streaming_output_call, request: request)
    8.times { check_zeros(call.receive, MIB) }
    call
  end
}.freeze

EXTENDED = {
  message_sizes: lambda do |client|
    [0, 4 * MIB - 1024, 4 * MIB + 1, 64 * MIB].each do |size|
      check_zeros(client.unary(:unary_call, sized(size, size)).first, size)
    end
  end,

  message_too_large: lambda do |client|
    check_status(:RESOURCE_EXHAUSTED) { client.unary(:unary_call, sized(4 * MIB + 1)) }
    check_next_call(client)
  end,

  binary_metadata: lambda do |client|
    every_padding = (0..5).map { |length| (0...length).to_a.pack('C*') }
    [*every_padding, (0..255).to_a.pack('C*')].each do |sent|
      _, _, trailing = client.unary(:empty_call, T::Empty.new, metadata: { TRAILING => sent })
      check_equal('trailing metadata', values(trailing, TRAILING).map(&:b), [sent])
    end
    raise NotApplicable, 'all but two values of a key, which use freed memory (github.com/grpc/grpc/pull/42827)'
  end,

  large_metadata: lambda do |client|
    value = 'm' * 6 * 1024
    _, initial, = client.unary(:empty_call, T::Empty.new, metadata: { INITIAL => value })
    check_equal('6 KiB came back', values(initial, INITIAL) == [value], true)
    check_status(nil) { client.unary(:empty_call, T::Empty.new, metadata: { INITIAL => 'm' * MIB }) }
    check_next_call(client)
  end,

  many_calls: lambda do |client|
    responses = client.unary_all(:unary_call, (0...1000).map { |size| sized(0, size) })
    responses.each_with_index { |response, size| check_zeros(response, size) }
  end,

  trailers_only: lambda do |client|
    call = client.call(:full_duplex_call)
    call.send(ending(5, 'nothing but a status'))
    call.finish_sending
    check_status(:NOT_FOUND, 'nothing but a status') { call.receive }
  end,

  every_status: lambda do |client|
    message = "ü € 😀 % \t \r\n"
    CODES.each_with_index do |name, index|
      status = T::EchoStatus.new(code: index + 1, message: message)
      check_status(name, message) { client.unary(:unary_call, T::SimpleRequest.new(response_status: status)) }
    end
  end,

  status_details: lambda do |client|
    # `google.rpc.Status` with code 3, its message, and no, one or two empty details: 11, 13 and 15 bytes.
    3.times do |details|
      sent = "\x08\x03\x12\x07details#{"\x1a\x00" * details}".b
      status = check_status(:INVALID_ARGUMENT, 'details') do
        client.unary(:empty_call, T::Empty.new, metadata: { STATUS_DETAILS => sent })
      end
      check_equal('status details', values(status.metadata, GRPC_STATUS_DETAILS), [sent])
    end
  end,

  deadlines: lambda do |client|
    [5, 100, 3 * HOUR, 30 * 24 * HOUR].each { |timeout| client.unary(:empty_call, T::Empty.new, timeout: timeout) }
    # A busy machine may need longer than the shortest of them.
    attempts = 0
    begin
      client.unary(:empty_call, T::Empty.new, timeout: 0.05)
    rescue GRPC::DeadlineExceeded
      retry if (attempts += 1) < 20
      raise
    end
  end,

  deadline_passed: lambda do |client|
    # Not 0: C-core answers such a call if the server is faster than its timer.
    check_status(:DEADLINE_EXCEEDED) { client.unary(:empty_call, T::Empty.new, timeout: -1) }
    check_next_call(client)
  end,

  cancel_phases: lambda do |client|
    PHASES.each_value do |phase|
      call = phase.call(client)
      call.cancel
      # Responses that had arrived before the cancellation may still be read.
      check_status(:CANCELLED) { nil while call.receive }
      check_next_call(client)
    end
  end,

  empty_streams: lambda do |client|
    check_equal('total size', upload(client, []), 0)
    %i[full_duplex_call half_duplex_call].each do |method|
      call = client.call(method)
      call.finish_sending
      check_responses(call, [])
    end
  end,

  early_status: lambda do |client|
    call = client.call(:full_duplex_call)
    call.send(ending(9, 'early'))
    128.times { call.send(T::StreamingOutputCallRequest.new(payload: zeros(64 * 1024))) }
    call.finish_sending
    check_status(:FAILED_PRECONDITION, 'early') { call.receive }
    check_next_call(client)
  end,

  connection_age: lambda do |client|
    finish = Time.now + 3
    while Time.now < finish
      check_next_call(client)
      client.unary_all(:unary_call, [sized(1000, 1000)] * 8).each { |response| check_zeros(response, 1000) }
    end
  end,

  health: lambda do |client|
    ['', TEST_SERVICE].each { |service| check_equal("status of #{service.inspect}", client.health(service), :SERVING) }
    check_status(:NOT_FOUND) { client.health('no.such.Service') }
  end,

  reflection: ->(_) { raise NotApplicable, 'gRPC in Ruby has no reflection' }
}.freeze
