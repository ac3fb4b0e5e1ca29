# The peer of the interoperability tests in Ruby, on Debian's gRPC (C-core). `ruby/command.rb` describes the command line.

require_relative 'ruby/command'

Command.run
