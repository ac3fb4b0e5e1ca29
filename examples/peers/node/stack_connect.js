// @connectrpc/connect-node, with the protocol gRPC.

const http2 = require('node:http2');
const net = require('node:net');
const path = require('node:path');
const { setTimeout: sleep, setImmediate: turn } = require('node:timers/promises');
const { createFileRegistry, create, fromBinary } = require('@bufbuild/protobuf');
const { FileDescriptorProtoSchema, FileDescriptorSetSchema } = require('@bufbuild/protobuf/wkt');
const connect = require('@connectrpc/connect');
const { compressionGzip, connectNodeAdapter, createGrpcTransport } = require('@connectrpc/connect-node');
const {
  ABSENT_SERVICE,
  CODES,
  GREETER,
  GRPC_STATUS_DETAILS,
  INITIAL,
  LIMIT,
  NotApplicable,
  STATUS_DETAILS,
  Status,
  TEST_SERVICE,
  TRAILING,
  definitions,
  parse,
  zeros,
} = require('./messages.js');

const { Code, ConnectError } = connect;

/** A service, of the descriptors that proto-loader has made. */
function service(name) {
  const [{ requestType }] = Object.values(definitions[name]);
  const file = requestType.fileDescriptorProtos.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  for (const { package: scope, messageType, service } of file) {
    // proto-loader leaves out the package.
    const complete = (name) => (name === '' || name.startsWith('.') ? name : `.${scope}.${name}`);
    for (const { field } of messageType) for (const one of field) one.typeName = complete(one.typeName);
    for (const method of service.flatMap(({ method }) => method)) {
      method.inputType = complete(method.inputType);
      method.outputType = complete(method.outputType);
    }
  }
  return createFileRegistry(create(FileDescriptorSetSchema, { file })).getService(name);
}

const [greeterService, testServiceType, absentService] = [GREETER, TEST_SERVICE, ABSENT_SERVICE].map(service);

// The server.

const greeter = {
  sayHello: ({ name }) => ({ message: `Hello ${name}` }),
};

/** The server side of gRPC's `interop-test-descriptions.md`. `UnimplementedCall` is absent: a case calls it. */
const testService = {
  emptyCall(_, context) {
    echoMetadata(context);
    const details = context.requestHeader.get(STATUS_DETAILS);
    if (details === null) return {};
    throw new ConnectError('details', Code.InvalidArgument, { [GRPC_STATUS_DETAILS]: details });
  },
  unaryCall(request, context) {
    echoMetadata(context);
    endAsWanted(request);
    return { payload: zeros(request.responseSize) };
  },
  async streamingInputCall(requests, context) {
    echoMetadata(context);
    let size = 0;
    for await (const request of requests) {
      endAsWanted(request);
      size += request.payload?.body.length ?? 0;
    }
    return { aggregatedPayloadSize: size };
  },
  streamingOutputCall: (request, context) => respond([request], context),
  fullDuplexCall: respond,
  async *halfDuplexCall(requests, context) {
    const all = [];
    for await (const request of requests) all.push(request);
    yield* respond(all, context);
  },
};

async function* respond(requests, context) {
  echoMetadata(context);
  for await (const request of requests) {
    endAsWanted(request);
    for (const { size, intervalUs, compressed } of request.responseParameters) {
      refuseCompression(compressed);
      if (intervalUs > 0) await sleep(intervalUs / 1000, undefined, { signal: context.signal });
      yield { payload: zeros(size) };
    }
  }
}

function echoMetadata({ requestHeader, responseHeader, responseTrailer }) {
  const initial = requestHeader.get(INITIAL);
  if (initial !== null) responseHeader.set(INITIAL, initial);
  const trailing = requestHeader.get(TRAILING);
  if (trailing !== null) responseTrailer.set(TRAILING, trailing);
}

function endAsWanted({ responseStatus, expectCompressed, responseCompressed }) {
  refuseCompression(expectCompressed, responseCompressed);
  if (responseStatus?.code) throw new ConnectError(responseStatus.message, responseStatus.code);
}

function refuseCompression(...wishes) {
  if (wishes.some((wish) => wish)) {
    throw new ConnectError('Connect does not tell what was compressed, or choose it', Code.Unimplemented);
  }
}

async function serve(addresses, { maxMessageSize, maxConnectionAge }) {
  const places = addresses.map(parse);
  const routes = (router) => router.service(greeterService, greeter).service(testServiceType, testService);
  // Without compression, which the client would have to accept for every message.
  const options = { routes, readMaxBytes: maxMessageSize, acceptCompression: [] };
  const sessions = new Set();
  const listen = async (place) => {
    const server = http2.createServer(connectNodeAdapter(options));
    server.on('session', (session) => {
      sessions.add(session);
      session.on('close', () => sessions.delete(session));
      if (maxConnectionAge) setTimeout(() => session.close(), maxConnectionAge * 1000).unref();
    });
    await new Promise((resolve, reject) => server.on('error', reject).listen(place, resolve));
    return server;
  };
  const servers = await Promise.all(places.map(listen));
  for (const [i, address] of addresses.entries()) {
    const { port } = servers[i].address();
    console.log(`listening on ${port === undefined ? address : address.replace(/\d+$/, port)}`);
  }
  const stop = () => {
    for (const server of servers) server.close();
    for (const session of sessions) session.close();
    setTimeout(() => process.exit(), 5000).unref();
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
}

// The client.

/** Node.js' longest timer. */
const LONGEST = 2 ** 31 - 1;

class Client {
  lacks = {
    connection_age: 'a request that Node.js has not sent when GOAWAY arrives fails, and Connect does not try it again',
    deadline_passed: 'Connect takes a timeout of 0 or less for none',
    client_compressed_streaming: 'Connect compresses all messages of a call above a size, and cannot leave one out',
    health: 'Connect for Node.js has no health service',
    reflection: 'Connect for Node.js has no reflection service',
  };

  constructor(address, { maxMessageSize }) {
    const place = parse(address);
    this.sockets = new Set();
    const createConnection = () => {
      const socket = net.connect(place);
      this.sockets.add(socket);
      return socket;
    };
    const options = {
      baseUrl: place.path === undefined ? `http://${place.host}:${place.port}` : 'http://localhost',
      readMaxBytes: maxMessageSize,
      writeMaxBytes: maxMessageSize,
      nodeOptions: { createConnection },
    };
    this.plain = methods(createGrpcTransport(options));
    this.compressing = methods(createGrpcTransport({ ...options, sendCompression: compressionGzip }));
  }

  async unary(method, request, options) {
    const call = await this.call(method, { request, ...options });
    return { response: await call.receive(), ...(await call.metadata()) };
  }

  async call(method, { request, metadata = [], timeout = LIMIT, compressed = false } = {}) {
    if (timeout > LONGEST) timeout = LONGEST;
    return new Call((compressed ? this.compressing : this.plain)[method], request, metadata, timeout);
  }

  close() {
    for (const socket of this.sockets) socket.destroy();
  }
}

/** The methods of all services, by their names, each with whether it streams. */
function methods(transport) {
  const known = {};
  for (const service of [greeterService, testServiceType, absentService]) {
    const client = connect.createClient(service, transport);
    for (const { localName, methodKind } of service.methods) {
      const name = service === absentService ? 'absent' : localName;
      const streams = methodKind === 'server_streaming' || methodKind === 'bidi_streaming';
      known[name] = { call: client[localName], streams };
    }
  }
  return known;
}

class Call {
  constructor({ call, streams }, request, metadata, timeoutMs) {
    this.requests = new Requests();
    this.initial = this.trailing = [];
    this.abort = new AbortController();
    const headers = new Headers();
    for (const [key, value] of metadata) {
      headers.append(key, key.endsWith('-bin') ? connect.encodeBinaryHeader(value) : value);
    }
    const responses = call(request ?? this.requests, {
      headers,
      timeoutMs,
      signal: this.abort.signal,
      onHeader: (headers) => (this.initial = fromHeaders(headers)),
      onTrailer: (trailers) => (this.trailing = fromHeaders(trailers)),
    });
    if (streams) {
      // Sends the request at once, which the generator would do only when it is read.
      this.responses = responses[Symbol.asyncIterator]();
      this.first = this.responses.next();
    } else {
      this.first = responses.then((value) => ({ value }));
    }
    // `receive` reports a failure.
    this.first.catch(() => {});
  }

  async send(message) {
    this.requests.push(message);
    // So that the stack writes, and notices when the call ends.
    await turn();
  }

  async finishSending() {
    this.requests.push(undefined);
  }

  async receive() {
    try {
      const next = this.first ?? this.responses.next();
      this.first = undefined;
      return (await next).value;
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      throw new Status(CODES[error.code], error.rawMessage, fromHeaders(error.metadata));
    }
  }

  cancel() {
    this.abort.abort();
  }

  /** After the last response. */
  async metadata() {
    return { initial: this.initial, trailing: this.trailing };
  }
}

/** The messages of a call, as an iterable that waits for more. */
class Requests {
  waiting = [];
  wake = () => {};

  push(message) {
    this.waiting.push(message);
    this.wake();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      while (this.waiting.length === 0) await new Promise((resolve) => (this.wake = resolve));
      const message = this.waiting.shift();
      if (message === undefined) return;
      yield message;
    }
  }
}

function fromHeaders(headers) {
  return [...headers].flatMap(([key, values]) =>
    key.endsWith('-bin')
      ? values.split(/,\s*/).map((value) => [key, Buffer.from(connect.decodeBinaryHeader(value))])
      : [[key, values]],
  );
}

// The package does not export this file.
const { version } = require(path.join(require.resolve('@connectrpc/connect-node'), '../../../package.json'));
exports.VERSION = `connect-node ${version}`;
exports.serve = serve;
exports.Client = Client;
