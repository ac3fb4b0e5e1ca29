// @grpc/grpc-js.

const path = require('node:path');
const { setTimeout: sleep, setImmediate: turn } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');
const { ReflectionService } = require('@grpc/reflection');
const health = require('grpc-health-check');
const {
  definitions,
  ABSENT_SERVICE,
  GREETER,
  GRPC_STATUS_DETAILS,
  INITIAL,
  LIMIT,
  NotApplicable,
  STATUS_DETAILS,
  Status,
  TEST_SERVICE,
  TRAILING,
  zeros,
} = require('./messages.js');

const { status } = grpc;

/** The name that grpc-js resolves. On Windows, `unix:` and the path of a pipe is one. */
function target(address) {
  const [scheme, rest] = address.split(/:(.*)/s);
  if (scheme === 'unix') return address;
  if (scheme === 'tcp') return rest;
  if (scheme === 'unix-abstract') throw new NotApplicable('grpc-js has no abstract sockets');
  throw new NotApplicable(`grpc-js has no transport for the address ${address}`);
}

function messageSize({ maxMessageSize }) {
  if (maxMessageSize === undefined) return {};
  return { 'grpc.max_receive_message_length': maxMessageSize, 'grpc.max_send_message_length': maxMessageSize };
}

// The server.

const greeter = {
  sayHello: (call, reply) => reply(null, { message: `Hello ${call.request.name}` }),
};

/** The server side of gRPC's `interop-test-descriptions.md`. `UnimplementedCall` is absent: a case calls it. */
const testService = {
  emptyCall: answered((call, trailers) => {
    const [details] = call.metadata.get(STATUS_DETAILS);
    if (details === undefined) return {};
    trailers.set(GRPC_STATUS_DETAILS, details);
    throw { code: status.INVALID_ARGUMENT, details: 'details' };
  }),
  unaryCall: answered(({ request }) => {
    endAsWanted(request);
    return { payload: zeros(request.responseSize) };
  }),
  streamingInputCall: answered(async (call) => {
    let size = 0;
    for await (const request of received(call)) {
      endAsWanted(request);
      size += request.payload.body.length;
    }
    return { aggregatedPayloadSize: size };
  }),
  streamingOutputCall: streamed((call) => [call.request]),
  fullDuplexCall: streamed((call) => received(call)),
  halfDuplexCall: streamed(async function* (call) {
    const requests = [];
    for await (const request of received(call)) requests.push(request);
    yield* requests;
  }),
};

/** A handler of calls that have one response. */
function answered(respond) {
  return async (call, reply) => {
    const trailers = echoMetadata(call);
    try {
      reply(null, await respond(call, trailers), trailers);
    } catch (error) {
      if (!call.cancelled) reply({ ...error, metadata: trailers });
    }
  };
}

/** A handler of calls that answer each request with the responses it asks for. */
function streamed(requests) {
  return async (call) => {
    const trailers = echoMetadata(call);
    try {
      for await (const request of requests(call)) {
        endAsWanted(request);
        for (const { size, intervalUs, compressed } of request.responseParameters) {
          refuseCompression(compressed);
          if (intervalUs > 0) await sleep(intervalUs / 1000);
          call.write({ payload: zeros(size) });
        }
      }
      call.end(trailers);
    } catch (error) {
      if (!call.cancelled) call.emit('error', { ...error, metadata: trailers });
    }
  };
}

/** The requests of a stream. To stop reading them does not end the call. */
function received(call) {
  return call.iterator({ destroyOnReturn: false });
}

/** Sends the initial metadata; returns the trailing. */
function echoMetadata(call) {
  const only = (key) => toMetadata(call.metadata.get(key).map((value) => [key, value]));
  call.sendMetadata(only(INITIAL));
  return only(TRAILING);
}

function endAsWanted({ responseStatus, expectCompressed, responseCompressed }) {
  refuseCompression(expectCompressed, responseCompressed);
  if (responseStatus?.code) throw { code: responseStatus.code, details: responseStatus.message };
}

function refuseCompression(...wishes) {
  if (wishes.some((wish) => wish)) {
    throw { code: status.UNIMPLEMENTED, details: 'grpc-js neither compresses responses nor tells what was compressed' };
  }
}

async function serve(addresses, options) {
  const targets = addresses.map(target);
  const age = options.maxConnectionAge && { 'grpc.max_connection_age_ms': options.maxConnectionAge * 1000 };
  const server = new grpc.Server({ ...messageSize(options), ...age });
  server.addService(definitions[GREETER], greeter);
  server.addService(definitions[TEST_SERVICE], testService);
  new health.HealthImplementation({ '': 'SERVING', [TEST_SERVICE]: 'SERVING' }).addToServer(server);
  new ReflectionService(definitions).addToServer(server);
  const bind = (name) =>
    new Promise((resolve, reject) => {
      const bound = (error, port) => (error ? reject(error) : resolve(port));
      server.bindAsync(name, grpc.ServerCredentials.createInsecure(), bound);
    });
  const ports = await Promise.all(targets.map(bind));
  for (const [i, address] of addresses.entries()) {
    console.log(`listening on ${address.startsWith('tcp:') ? address.replace(/\d+$/, ports[i]) : address}`);
  }
  const stop = () => server.tryShutdown(() => process.exit(0));
  process.on('SIGTERM', stop).on('SIGINT', stop);
}

// The client.

class Client {
  lacks = {};

  constructor(address, options) {
    this.target = target(address);
    this.channel = messageSize(options);
    this.plain = this.connect();
    this.compressing = this.connect({
      'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip,
      interceptors: [(options, next) => new CompressedAsExpected(next(options))],
    });
  }

  /** The methods of all services, by their names. */
  connect(options = {}) {
    const client = (definition) => {
      const Stub = grpc.makeGenericClientConstructor(definition);
      return new Stub(this.target, grpc.credentials.createInsecure(), { ...this.channel, ...options });
    };
    const [greeter, test, absent] = [GREETER, TEST_SERVICE, ABSENT_SERVICE].map((name) => client(definitions[name]));
    const bind = (stub, name) => Object.assign(stub[name].bind(stub), stub[name]);
    const methods = { sayHello: bind(greeter, 'sayHello'), absent: bind(absent, 'unimplementedCall') };
    for (const { originalName } of Object.values(definitions[TEST_SERVICE])) {
      methods[originalName] = bind(test, originalName);
    }
    return { methods, stubs: [greeter, test, absent] };
  }

  async unary(method, request, options) {
    const call = await this.call(method, { request, ...options });
    return { response: await call.receive(), ...(await call.metadata()) };
  }

  async call(method, { request, metadata = [], timeout = LIMIT, compressed = false } = {}) {
    const { methods } = compressed ? this.compressing : this.plain;
    return new Call(methods[method], request, toMetadata(metadata), { deadline: Date.now() + timeout });
  }

  async health(service) {
    const stub = new (grpc.makeGenericClientConstructor(health.service))(
      this.target,
      grpc.credentials.createInsecure(),
    );
    const check = Object.assign(stub.check.bind(stub), stub.check);
    const call = new Call(check, { service }, toMetadata([]), { deadline: Date.now() + LIMIT });
    return (await call.receive().finally(() => stub.close())).status;
  }

  /** grpc-js has no client of reflection, so this makes one of the .proto file that it serves. */
  async services() {
    const file = path.join(require.resolve('@grpc/reflection'), '../../proto/grpc/reflection/v1/reflection.proto');
    const { ServerReflection } = grpc.loadPackageDefinition(loadSync(file)).grpc.reflection.v1;
    const stub = new ServerReflection(this.target, grpc.credentials.createInsecure());
    const info = Object.assign(stub.serverReflectionInfo.bind(stub), stub.serverReflectionInfo);
    const call = new Call(info, undefined, toMetadata([]), { deadline: Date.now() + LIMIT });
    await call.send({ listServices: '' });
    const { listServicesResponse } = await call.receive();
    await call.finishSending();
    stub.close();
    return listServicesResponse.service.map(({ name }) => name);
  }

  close() {
    for (const { stubs } of [this.plain, this.compressing]) for (const stub of stubs) stub.close();
  }
}

/** Compresses the messages that the server shall expect to be. Only an interceptor can tell one from another. */
class CompressedAsExpected extends grpc.InterceptingCall {
  sendMessageWithContext(context, message) {
    // WriteFlags.NoCompress of grpc-js, which does not export it.
    const flags = message.expectCompressed?.value ? 0 : 2;
    super.sendMessageWithContext({ ...context, flags }, message);
  }
}

class Call {
  constructor(method, request, metadata, options) {
    const requests = request === undefined ? [] : [request];
    if (method.responseStream) {
      this.call = method(...requests, metadata, options);
      this.responses = this.call[Symbol.asyncIterator]();
      // The iterator does not report what fails before it is used.
      this.failure = new Promise((_, reject) => this.call.on('error', reject));
      this.failure.catch(() => {});
    } else {
      this.response = new Promise((resolve, reject) => {
        const done = (error, response) => (error ? reject(error) : resolve(response));
        this.call = method(...requests, metadata, options, done);
      });
      // `receive` reports a failure.
      this.response.catch(() => {});
    }
    this.initial = [];
    this.call.on('metadata', (metadata) => (this.initial = fromMetadata(metadata)));
    this.trailing = new Promise((resolve) => this.call.on('status', ({ metadata }) => resolve(fromMetadata(metadata))));
  }

  async send(message) {
    if (this.call.writable) this.call.write(message);
    // So that the stack writes, and notices when the call ends.
    await turn();
  }

  async finishSending() {
    this.call.end();
  }

  async receive() {
    try {
      if (!this.responses) return await this.response;
      return (await Promise.race([this.responses.next(), this.failure])).value;
    } catch (error) {
      if (!(error.code in status)) throw error;
      throw new Status(status[error.code], error.details, fromMetadata(error.metadata));
    }
  }

  cancel() {
    this.call.cancel();
  }

  /** After the last response. */
  async metadata() {
    return { initial: this.initial, trailing: await this.trailing };
  }
}

function toMetadata(pairs) {
  const metadata = new grpc.Metadata();
  for (const [key, value] of pairs) metadata.add(key, value);
  return metadata;
}

function fromMetadata(metadata) {
  const keys = Object.keys(metadata.getMap());
  return keys.flatMap((key) => metadata.get(key).map((value) => [key, value]));
}

exports.VERSION = `grpc-js ${require('@grpc/grpc-js/package.json').version}`;
exports.serve = serve;
exports.Client = Client;
