// `ipc.bench.Bench` in C++, on gRPC's C-core as Debian has it.
//
//     bench serve ADDRESS                    prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
//     bench bench ADDRESS SECONDS SHAPE...   measures kinds of calls, two lines each (`benches/shapes`)
//     bench version                          prints the versions
//
// The shapes are unary-IN_FLIGHT-BYTES, download-BYTES, upload-BYTES and connect-BYTES. The server has C-core's threads of
// blocking handlers. The client has one thread and a completion queue, with which many calls are fastest.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench.grpc.pb.h"

namespace {

using ipc::bench::Bench;
using ipc::bench::Chunk;
using ipc::bench::Total;
using ipc::bench::Transfer;
using Clock = std::chrono::steady_clock;
using Latencies = std::vector<Clock::duration>;

constexpr size_t kTransfer = 32 * 1024 * 1024;
constexpr size_t kMessages = 20'000;

class Service final : public Bench::Service {
  grpc::Status Echo(grpc::ServerContext*, const Chunk* request, Chunk* response) override {
    *response = *request;
    return grpc::Status::OK;
  }

  grpc::Status Download(grpc::ServerContext*, const Transfer* request, grpc::ServerWriter<Chunk>* writer) override {
    Chunk chunk;
    chunk.set_payload(std::string(request->size(), 0));
    for (uint32_t sent = 0; sent < request->count() && writer->Write(chunk); sent++) {
    }
    return grpc::Status::OK;
  }

  grpc::Status Upload(grpc::ServerContext*, grpc::ServerReader<Chunk>* reader, Total* total) override {
    Chunk chunk;
    uint64_t count = 0, bytes = 0;
    while (reader->Read(&chunk)) {
      count++;
      bytes += chunk.payload().size();
    }
    total->set_count(count);
    total->set_bytes(bytes);
    return grpc::Status::OK;
  }
};

void serve(const std::string& address) {
  // Before the server starts its threads, which inherit this: the signals wait for sigwait.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  Service service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (!server) throw std::runtime_error("cannot listen on " + address);
  std::cout << "listening on " << address << std::endl;
  int received;
  sigwait(&stop, &received);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
}

void check(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

void check_size(size_t seen, size_t expected) {
  if (seen != expected) throw std::runtime_error(std::to_string(seen) + " instead of " + std::to_string(expected));
}

Chunk chunk_of(size_t size) {
  Chunk chunk;
  chunk.set_payload(std::string(size, 0));
  return chunk;
}

struct Call {
  grpc::ClientContext context;
  Chunk response;
  grpc::Status status;
  Clock::time_point begin = Clock::now();
  std::unique_ptr<grpc::ClientAsyncResponseReader<Chunk>> reader;
};

Latencies unary(Bench::Stub& stub, Clock::time_point end, size_t in_flight, size_t size) {
  const Chunk chunk = chunk_of(size);
  Latencies latencies;
  if (in_flight == 1) {
    for (auto begin = Clock::now(); begin < end;) {
      grpc::ClientContext context;
      Chunk response;
      check(stub.Echo(&context, chunk, &response));
      check_size(response.payload().size(), size);
      const auto now = Clock::now();
      latencies.push_back(now - begin);
      begin = now;
    }
    return latencies;
  }
  grpc::CompletionQueue queue;
  size_t running = 0;
  const auto start = [&] {
    auto* call = new Call;
    call->reader = stub.AsyncEcho(&call->context, chunk, &queue);
    call->reader->Finish(&call->response, &call->status, call);
    running++;
  };
  for (size_t i = 0; i < in_flight; i++) start();
  void* tag;
  bool ok;
  while (running > 0 && queue.Next(&tag, &ok)) {
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    running--;
    check(call->status);
    check_size(call->response.payload().size(), size);
    const auto now = Clock::now();
    latencies.push_back(now - call->begin);
    if (now < end) start();
  }
  return latencies;
}

size_t messages(size_t size) { return std::min(std::max<size_t>(kTransfer / size, 1), kMessages); }

size_t download(Bench::Stub& stub, Clock::time_point end, size_t size) {
  size_t received = 0;
  while (Clock::now() < end) {
    grpc::ClientContext context;
    Transfer transfer;
    transfer.set_count(messages(size));
    transfer.set_size(size);
    const auto reader = stub.Download(&context, transfer);
    Chunk chunk;
    while (reader->Read(&chunk)) {
      check_size(chunk.payload().size(), size);
      received++;
    }
    check(reader->Finish());
  }
  return received;
}

size_t upload(Bench::Stub& stub, Clock::time_point end, size_t size) {
  const Chunk chunk = chunk_of(size);
  size_t sent = 0;
  while (Clock::now() < end) {
    grpc::ClientContext context;
    Total total;
    const auto writer = stub.Upload(&context, &total);
    for (size_t i = 0; i < messages(size); i++) writer->Write(chunk);
    writer->WritesDone();
    check(writer->Finish());
    check_size(total.count(), messages(size));
    sent += messages(size);
  }
  return sent;
}

std::unique_ptr<Bench::Stub> connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  // Without this, channels to one address share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return Bench::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

Latencies connections(const std::string& address, Clock::time_point end, size_t size) {
  const Chunk chunk = chunk_of(size);
  Latencies latencies;
  while (Clock::now() < end) {
    const auto begin = Clock::now();
    grpc::ClientContext context;
    Chunk response;
    check(connect(address)->Echo(&context, chunk, &response));
    latencies.push_back(Clock::now() - begin);
  }
  return latencies;
}

std::string measure(const std::string& address, Bench::Stub& stub, const std::string& shape, double seconds) {
  std::istringstream words(shape);
  std::string kind, word;
  std::getline(words, kind, '-');
  std::vector<size_t> numbers;
  while (std::getline(words, word, '-')) numbers.push_back(std::stoul(word));
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  Latencies latencies;
  size_t count = 0;
  if (kind == "unary") {
    latencies = unary(stub, end, numbers.at(0), numbers.at(1));
    count = latencies.size();
  } else if (kind == "connect") {
    latencies = connections(address, end, numbers.at(0));
    count = latencies.size();
  } else if (kind == "download") {
    count = download(stub, end, numbers.at(0));
  } else if (kind == "upload") {
    count = upload(stub, end, numbers.at(0));
  } else {
    throw std::runtime_error(shape + ": there is no such kind of call");
  }
  const std::chrono::duration<double> elapsed = Clock::now() - begin;
  std::ostringstream figures;
  figures << std::fixed << "count " << count << " seconds " << elapsed.count();
  std::sort(latencies.begin(), latencies.end());
  const std::pair<const char*, size_t> percentiles[] = {{"p50", 500}, {"p99", 10}, {"p99.9", 1}};
  for (const auto& [name, slower] : percentiles) {
    const size_t above = latencies.size() * slower / 1000;
    if (above == 0) continue;
    const std::chrono::duration<double, std::micro> latency = latencies[latencies.size() - above];
    figures << ' ' << name << ' ' << latency.count();
  }
  return figures.str();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 1 && arguments[0] == "version") {
      std::cout << "gRPC C++ " << grpc::Version() << std::endl;
    } else if (arguments.size() == 2 && arguments[0] == "serve") {
      serve(arguments[1]);
    } else if (arguments.size() > 3 && arguments[0] == "bench") {
      const double seconds = std::stod(arguments[2]);
      const auto stub = connect(arguments[1]);
      for (size_t i = 3; i < arguments.size(); i++) {
        measure(arguments[1], *stub, arguments[i], seconds / 5);
        std::cout << arguments[i] << " begins" << std::endl;
        std::cout << arguments[i] << ' ' << measure(arguments[1], *stub, arguments[i], seconds) << std::endl;
      }
    } else {
      throw std::runtime_error("usage: bench serve ADDRESS | bench ADDRESS SECONDS SHAPE... | version");
    }
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << std::endl;
    return 1;
  }
}
