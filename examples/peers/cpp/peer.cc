// The peer of the interoperability tests in C++, on gRPC's C-core as Debian has it.
//
//     peer serve ADDRESS...           prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
//     peer call ADDRESS [CASE...]     gRPC's interoperability cases, a line each; exits with 1 when one fails
//     peer greet ADDRESS NAME         one call; prints the reply
//
// The channel has C-core's own options. Its `:authority` is `localhost` in this version; see peer.py for a newer one.

#include "peer.h"

#include <chrono>
#include <csignal>
#include <iostream>
#include <stdexcept>

#include "greet.grpc.pb.h"

namespace {

using std::chrono::seconds;
using std::chrono::system_clock;

void serve(const std::vector<std::string>& addresses) {
  // Before the server starts its threads, which inherit this: the signals wait for sigwait.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);

  grpc::ServerBuilder builder;
  std::vector<int> ports(addresses.size());
  for (size_t i = 0; i < addresses.size(); i++) {
    builder.AddListeningPort(addresses[i], grpc::InsecureServerCredentials(), &ports[i]);
  }
  const auto registered = services();
  for (const auto& service : registered) builder.RegisterService(service.get());
  const auto server = builder.BuildAndStart();
  for (size_t i = 0; i < addresses.size(); i++) {
    if (!server || ports[i] == 0) throw std::runtime_error("cannot listen on " + addresses[i]);
  }
  for (const auto& address : addresses) std::cout << "listening on " << address << std::endl;

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

int run(const std::vector<std::string>& words) {
  const auto command = words.size() < 2 ? "" : words[0];
  // ANCHOR: channel
  const auto connect = [&] { return grpc::CreateChannel(words[1], grpc::InsecureChannelCredentials()); };
  // ANCHOR_END: channel
  if (command == "serve") {
    serve({words.begin() + 1, words.end()});
    return 0;
  }
  if (command == "call") return run_cases(connect(), {words.begin() + 2, words.end()}) ? 0 : 1;
  if (command == "greet" && words.size() == 3) {
    greet(connect(), words[2]);
    return 0;
  }
  std::cerr << "usage: peer serve ADDRESS... | call ADDRESS [CASE...] | greet ADDRESS NAME\n";
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
