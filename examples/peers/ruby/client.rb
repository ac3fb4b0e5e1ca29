# The client: `unary`, `unary_all`, and `call` for streams, on the operations of the stubs.

require_relative 'messages'

class Client
  def initialize(address, options)
    @stubs = [Greet::Greeter, T::TestService, T::UnimplementedService, Grpc::Health::V1::Health].map do |service|
      arguments = message_size(options[:max_message_size])
      service::Stub.new(target(address), :this_channel_is_insecure, channel_args: arguments)
    end
    @greeter, @test, @absent, @health = @stubs
  end

  # The response, and the initial and trailing metadata.
  def unary(method, request, metadata: {}, timeout: LIMIT, compressed: false)
    operation = operation(method, request, metadata, timeout, compressed)
    [operation.execute, operation.metadata, operation.trailing_metadata]
  end

  # The responses of calls at once.
  def unary_all(method, requests)
    requests.map { |request| Thread.new { unary(method, request).first } }.map(&:value)
  end

  # A call; without `request`, it has a stream of requests.
  def call(method, request: nil, metadata: {}, timeout: LIMIT, compressed: false)
    requests = Queue.new
    stream = Enumerator.new do |sent|
      while (message = requests.pop)
        sent << message
      end
    end
    Call.new(operation(method, request || stream, metadata, timeout, compressed), requests)
  end

  def health(service)
    @health.check(Grpc::Health::V1::HealthCheckRequest.new(service: service), deadline: Time.now + LIMIT).status
  end

  private

  def operation(method, request, metadata, timeout, compressed)
    stub = { say_hello: @greeter, absent: @absent }.fetch(method, @test)
    method = :unimplemented_call if method == :absent
    metadata = metadata.merge(COMPRESS) if compressed
    stub.public_send(method, request, metadata: metadata, deadline: Time.now + timeout, return_op: true)
  end
end

# A call. A thread reads the responses, so that requests can be sent at the same time.
class Call
  def initialize(operation, requests)
    @operation = operation
    @requests = requests
    @responses = Queue.new
    @thread = Thread.new do
      answer = operation.execute
      # A stream of responses is an enumerator.
      answer.is_a?(Enumerator) ? answer.each { |response| @responses << response } : @responses << answer
      @responses << nil
    rescue StandardError => e
      @responses << e
    end
  end

  def send(message)
    @requests << message
  end

  def finish_sending
    @requests << nil
  end

  # A response, or `nil` after the last.
  def receive
    response = @responses.pop
    raise response if response.is_a?(StandardError)

    response
  end

  def cancel
    @operation.cancel
    # So that the thread that takes the requests ends.
    finish_sending
  end

  # After the last response.
  def metadata
    @thread.join
    [@operation.metadata, @operation.trailing_metadata]
  end
end
