// The peer of the interoperability tests in C++, on gRPC's C-core as Debian has it.
//
//     peer version                    the versions of gRPC and of the compiler
//     peer serve ADDRESS...           prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
//     peer call ADDRESS [CASE...]     gRPC's interoperability cases, or the `--extended` ones, a line each; exits with 1
//                                     when one fails
//     peer greet ADDRESS NAME         one call; prints the reply
//
// `--max-message-size BYTES` is for `serve` and `call`, `--max-connection-age SECONDS` for `serve`. Without them, server
// and channel have C-core's own options. The channel's `:authority` is `localhost` in this version; see peer.py for a
// newer one.

#include "peer.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>

#include "greet.grpc.pb.h"

namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

struct Options {
  std::vector<std::string> words;
  bool extended = false;
  int max_message_size = 0;
  int max_connection_age = 0;
};

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  for (auto word = arguments.begin(); word != arguments.end(); ++word) {
    const auto number = [&] {
      if (++word == arguments.end()) throw std::invalid_argument("a number is missing");
      return std::stoi(*word);
    };
    if (*word == "--extended") {
      options.extended = true;
    } else if (*word == "--max-message-size") {
      options.max_message_size = number();
    } else if (*word == "--max-connection-age") {
      options.max_connection_age = number();
    } else {
      options.words.push_back(*word);
    }
  }
  return options;
}

const std::string kTcp = "tcp:";

bool is_tcp(const std::string& address) { return address.rfind(kTcp, 0) == 0; }

// C-core takes a TCP address without a scheme, and the others as they are.
std::string target(const std::string& address) { return is_tcp(address) ? address.substr(kTcp.size()) : address; }

void serve(const Options& options) {
  const std::vector<std::string> addresses(options.words.begin() + 1, options.words.end());
  // Before the server starts its threads, which inherit this: the signals wait for sigwait.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);

  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  if (options.max_message_size) builder.SetMaxReceiveMessageSize(options.max_message_size);
  if (options.max_connection_age) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, options.max_connection_age * 1'000);
  }
  std::vector<int> ports(addresses.size());
  for (size_t i = 0; i < addresses.size(); i++) {
    builder.AddListeningPort(target(addresses[i]), grpc::InsecureServerCredentials(), &ports[i]);
  }
  const auto registered = services();
  for (const auto& service : registered) builder.RegisterService(service.get());
  const auto server = builder.BuildAndStart();
  for (size_t i = 0; i < addresses.size(); i++) {
    if (!server || ports[i] == 0) throw std::runtime_error("cannot listen on " + addresses[i]);
  }
  server->GetHealthCheckService()->SetServingStatus("grpc.testing.TestService", true);
  for (size_t i = 0; i < addresses.size(); i++) {
    const auto& address = addresses[i];
    // With port 0, the system chose another.
    const auto bound = is_tcp(address) ? address.substr(0, address.rfind(':') + 1) + std::to_string(ports[i]) : address;
    std::cout << "listening on " << bound << std::endl;
  }

  int signal;
  sigwait(&stop, &signal);
  server->Shutdown(system_clock::now() + seconds(5));
}

// ANCHOR: greet
void greet(const std::shared_ptr<grpc::Channel>& channel, const std::string& name) {
  grpc::ClientContext context;
  context.set_deadline(system_clock::now() + seconds(20));
  greet::HelloRequest request;
  request.set_name(name);
  greet::HelloReply reply;
  const auto status = greet::Greeter::NewStub(channel)->SayHello(&context, request, &reply);
  if (!status.ok()) {
    throw std::runtime_error(std::to_string(status.error_code()) + ": " + status.error_message());
  }
  std::cout << reply.message() << std::endl;
}
// ANCHOR_END: greet

int run(const Options& options) {
  const auto& words = options.words;
  const auto command = words.empty() ? "" : words[0];
  if (command == "version") {
    std::cout << "gRPC C++ " << grpc::Version() << ", GCC " << __VERSION__ << std::endl;
    return 0;
  }
  for (const auto& word : words) {
    if (word.rfind("npipe:", 0) == 0) {
      std::cerr << "not applicable: C-core has no named pipes\n";
      return 2;
    }
  }
  if (command == "serve" && words.size() > 1) {
    serve(options);
    return 0;
  }
  if (words.size() > 1) {
    const auto address = target(words[1]);
    if (command == "call") {
      grpc::ChannelArguments arguments;
      if (options.max_message_size) arguments.SetMaxReceiveMessageSize(options.max_message_size);
      const auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
      return run_cases(channel, {words.begin() + 2, words.end()}, options.extended) ? 0 : 1;
    }
    if (command == "greet" && words.size() == 3) {
      // ANCHOR: channel
      const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
      // ANCHOR_END: channel
      greet(channel, words[2]);
      return 0;
    }
  }
  std::cerr << "usage: peer version | serve ADDRESS... [--max-connection-age SECONDS] |"
               " call ADDRESS [--extended | CASE...] | greet ADDRESS NAME; with [--max-message-size BYTES]\n";
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  // Never undone: when its last user goes, C-core can wait 10 s for a thread of its own that polls.
  grpc_init();
  try {
    const auto code = run(parse({arguments + 1, arguments + count}));
    // At once, for a case that hangs would not end.
    std::quick_exit(code);
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
