# The command line:
#
#     serve ADDRESS...           prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
#     call ADDRESS [CASE...]     gRPC's interoperability cases, or with `--extended` more, a line each; exits with 1
#                                when one fails
#     greet ADDRESS NAME         one call; prints the reply
#     version                    the versions of the stack and of Ruby

require 'optparse'
require 'timeout'
require_relative 'cases'
require_relative 'extended'
require_relative 'server'

module Command
  module_function

  def run
    options = {}
    parser = OptionParser.new do |parse|
      parse.on('--extended')
      parse.on('--max-message-size BYTES', Integer)
      parse.on('--max-connection-age SECONDS', Float)
    end
    command, address, *rest = parser.parse(ARGV, into: options)
    options.transform_keys! { |key| key.to_s.tr('-', '_').to_sym }
    case command
    when 'version' then puts "grpc #{GRPC::VERSION}, Ruby #{RUBY_VERSION}"
    when 'serve' then serve([address, *rest], options)
    when 'call' then exit(run_cases(address, rest.map(&:to_sym), options) ? 0 : 1)
    when 'greet' then greet(address, rest.first)
    else abort 'usage: serve ADDRESS... | call ADDRESS [CASE...] | greet ADDRESS NAME | version'
    end
  rescue NotApplicable => e
    warn "not applicable: #{e.message}"
    exit 2
  end

  def run_cases(address, names, options)
    known = CASES.merge(EXTENDED)
    unknown = names - known.keys
    abort "unknown case #{unknown.first}; the cases are: #{known.keys.join(', ')}" unless unknown.empty?
    names = (options[:extended] ? EXTENDED : CASES).keys if names.empty?
    client = Client.new(address, options)
    outcomes = names.map do |name|
      outcome = outcome_of(known[name], client)
      puts "#{name}: #{outcome}"
      $stdout.flush
      outcome
    end
    outcomes.none? { |outcome| outcome.start_with?('failed') }
  end

  def outcome_of(test, client)
    Timeout.timeout(CASE_LIMIT) { test.call(client) }
    'passed'
  rescue NotApplicable => e
    "not applicable: #{e.message}"
  rescue Timeout::Error
    "failed: not finished within #{CASE_LIMIT} seconds"
  rescue StandardError => e
    "failed: #{e.message.inspect}"
  end

  def greet(address, name)
    puts Client.new(address, {}).unary(:say_hello, Greet::HelloRequest.new(name: name)).first.message
  rescue GRPC::BadStatus => e
    abort e.message
  end
end
