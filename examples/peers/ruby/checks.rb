# What the cases check.

require_relative 'client'

def check_equal(what, seen, expected)
  raise Failure, "#{what}: #{seen.inspect} instead of #{expected.inspect}" unless seen == expected
end

def check_zeros(response, size)
  body = response && response.payload ? response.payload.body : ''
  check_equal('size of the response', body.bytesize, size)
  check_equal('the response is zeros', body == "\0" * size, true)
end

def check_responses(call, sizes)
  sizes.each { |size| check_zeros(call.receive, size) }
  check_equal('a response after the last', !call.receive.nil?, false)
end

# A call that ends with this status. Without `code`, it is any but OK.
def check_status(code, message = nil)
  yield
rescue GRPC::BadStatus => e
  check_equal("status with the message #{e.details.inspect}", e.code, GRPC::Core::StatusCodes.const_get(code)) if code
  check_equal('message', e.details.dup.force_encoding('UTF-8'), message) if message
  e
else
  raise Failure, "succeeded, and not #{code || 'refused'}"
end

# The values of a key: C-core in Ruby returns one as a string, and several as an array.
def values(metadata, key)
  [metadata[key]].flatten.compact
end

def upload(client, requests, compressed: false)
  call = client.call(:streaming_input_call, compressed: compressed)
  requests.each { |request| call.send(request) }
  call.finish_sending
  call.receive.aggregated_payload_size
end

def check_next_call(client)
  client.unary(:empty_call, T::Empty.new)
end
