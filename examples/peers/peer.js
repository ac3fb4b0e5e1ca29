// The peer of the interoperability tests in JavaScript, on @grpc/grpc-js.
//
//     peer.js serve ADDRESS...           prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
//     peer.js call ADDRESS [CASE...]     gRPC's interoperability cases, a line each; exits with 1 when one fails
//     peer.js greet ADDRESS NAME         one call; prints the reply
//
// grpc-js compresses no response, and tells neither a client nor a server whether a message that it received was
// compressed. So the server does not know the four cases of compression, and the client does not check the responses'
// in `server_compressed_unary` and `server_compressed_streaming`.

const assert = require('node:assert/strict');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');

const definitions = {};

function load(file) {
  const definition = loadSync(path.join(__dirname, '../../proto', file), { defaults: true });
  Object.assign(definitions, definition);
  return grpc.loadPackageDefinition(definition);
}

const { Greeter } = load('greet.proto').greet;
const { TestService, UnimplementedService } = load('grpc/testing/test.proto').grpc.testing;
const { status } = grpc;

const INITIAL = 'x-grpc-test-echo-initial';
const TRAILING = 'x-grpc-test-echo-trailing-bin';

const zeros = (size) => ({ body: Buffer.alloc(size) });

// The server.

const greeter = {
  sayHello: (call, reply) => reply(null, { message: `Hello ${call.request.name}` }),
};

/** The server side of gRPC's `interop-test-descriptions.md`. `UnimplementedCall` is absent: a case calls it. */
const testService = {
  emptyCall: answered(() => ({})),
  unaryCall: answered(({ request }) => {
    refuseCompression(request.expectCompressed, request.responseCompressed);
    endAsWanted(request);
    return { payload: zeros(request.responseSize) };
  }),
  streamingInputCall: answered(async (call) => {
    let size = 0;
    for await (const request of received(call)) {
      refuseCompression(request.expectCompressed);
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
      reply(null, await respond(call), trailers);
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

/** Sends the initial metadata; gives the trailing. */
function echoMetadata(call) {
  const only = (key) => {
    const metadata = new grpc.Metadata();
    for (const value of call.metadata.get(key)) metadata.add(key, value);
    return metadata;
  };
  call.sendMetadata(only(INITIAL));
  return only(TRAILING);
}

function endAsWanted({ responseStatus }) {
  if (responseStatus?.code) throw { code: responseStatus.code, details: responseStatus.message };
}

function refuseCompression(...wishes) {
  if (wishes.some((wish) => wish !== null)) {
    throw { code: status.UNIMPLEMENTED, details: 'grpc-js neither compresses responses nor tells what was compressed' };
  }
}

/** If `@grpc/reflection` is there. */
function addReflection(server) {
  let reflection;
  try {
    reflection = require('@grpc/reflection');
  } catch {
    return;
  }
  new reflection.ReflectionService(definitions).addToServer(server);
}

async function serve(addresses) {
  const server = new grpc.Server();
  server.addService(Greeter.service, greeter);
  server.addService(TestService.service, testService);
  addReflection(server);
  const bind = (address) =>
    new Promise((resolve, reject) => {
      const bound = (error) => (error ? reject(error) : resolve());
      server.bindAsync(address, grpc.ServerCredentials.createInsecure(), bound);
    });
  await Promise.all(addresses.map(bind));
  for (const address of addresses) console.log(`listening on ${address}`);
  const stop = () => server.tryShutdown(() => process.exit(0));
  process.on('SIGTERM', stop).on('SIGINT', stop);
}

// The client: a function a case. Each call has a deadline, so that none hangs.

const LIMIT = 20_000;
const REQUEST_SIZES = [27_182, 8, 1_828, 45_904];
const RESPONSE_SIZES = [31_415, 9, 2_653, 58_979];

const LARGE = { responseSize: 314_159, payload: zeros(271_828) };
const ask = (size, requestSize) => ({ responseParameters: [{ size }], payload: zeros(requestSize) });

const cases = {
  async empty_unary({ test }) {
    await unary(test, 'emptyCall', {});
  },

  async large_unary({ test }) {
    checkZeros((await unary(test, 'unaryCall', LARGE)).response, 314_159);
  },

  async client_streaming({ test }) {
    const requests = REQUEST_SIZES.map((size) => ({ payload: zeros(size) }));
    assert.equal((await upload(test, requests)).aggregatedPayloadSize, 74_922);
  },

  async server_streaming({ test }) {
    const responseParameters = RESPONSE_SIZES.map((size) => ({ size }));
    await checkResponses(test.streamingOutputCall({ responseParameters }, options()), RESPONSE_SIZES);
  },

  async ping_pong({ test }) {
    const call = test.fullDuplexCall(options());
    const responses = call[Symbol.asyncIterator]();
    for (const [i, size] of RESPONSE_SIZES.entries()) {
      call.write(ask(size, REQUEST_SIZES[i]));
      checkZeros((await responses.next()).value, size);
    }
    call.end();
    assert.equal((await responses.next()).done, true);
  },

  async empty_stream({ test }) {
    const call = test.fullDuplexCall(options());
    call.end();
    await checkResponses(call, []);
  },

  async custom_metadata({ test }) {
    const metadata = new grpc.Metadata();
    metadata.set(INITIAL, 'test_initial_metadata_value');
    metadata.set(TRAILING, Buffer.from([0xab, 0xab, 0xab]));
    const checkEchoes = ({ initial, trailing }) => {
      assert.deepEqual(initial?.get(INITIAL), metadata.get(INITIAL));
      assert.deepEqual(trailing?.get(TRAILING), metadata.get(TRAILING));
    };

    const { response, ...echoes } = await unary(test, 'unaryCall', LARGE, metadata);
    checkZeros(response, 314_159);
    checkEchoes(echoes);

    const call = test.fullDuplexCall(metadata, options());
    const observed = observe(call);
    call.end(ask(314_159, 271_828));
    await checkResponses(call, [314_159]);
    checkEchoes(await observed);
  },

  async status_code_and_message({ test }) {
    const responseStatus = { code: status.UNKNOWN, message: 'test status message' };
    await checkStatus(unary(test, 'unaryCall', { responseStatus }), status.UNKNOWN, responseStatus.message);
    const call = test.fullDuplexCall(options());
    call.end({ responseStatus });
    await checkStatus(checkResponses(call, []), status.UNKNOWN, responseStatus.message);
  },

  async special_status_message({ test }) {
    const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
    const responseStatus = { code: status.UNKNOWN, message };
    await checkStatus(unary(test, 'unaryCall', { responseStatus }), status.UNKNOWN, message);
  },

  async unimplemented_method({ test }) {
    await checkStatus(unary(test, 'unimplementedCall', {}), status.UNIMPLEMENTED);
  },

  async unimplemented_service({ unimplemented }) {
    await checkStatus(unary(unimplemented, 'unimplementedCall', {}), status.UNIMPLEMENTED);
  },

  async cancel_after_begin({ test }) {
    const cancelled = new Promise((_, reject) => {
      const call = test.streamingInputCall(options(), reject);
      // This one follows it on the same connection: once it is answered, the server has heard of both.
      unary(test, 'emptyCall', {}).then(() => call.cancel(), reject);
    });
    await checkStatus(cancelled, status.CANCELLED);
  },

  async cancel_after_first_response({ test }) {
    const call = test.fullDuplexCall(options());
    const responses = call[Symbol.asyncIterator]();
    call.write(ask(31_415, 27_182));
    checkZeros((await responses.next()).value, 31_415);
    call.cancel();
    await checkStatus(responses.next(), status.CANCELLED);
  },

  async timeout_on_sleeping_server({ test }) {
    const call = test.fullDuplexCall(options(1));
    call.write({ payload: zeros(27_182) });
    await checkStatus(checkResponses(call, []), status.DEADLINE_EXCEEDED);
  },

  async client_compressed_unary({ test, gzip }) {
    const request = (value) => ({ ...LARGE, expectCompressed: { value } });
    await checkStatus(unary(test, 'unaryCall', request(true)), status.INVALID_ARGUMENT);
    checkZeros((await unary(gzip, 'unaryCall', request(true))).response, 314_159);
    checkZeros((await unary(gzip, 'unaryCall', request(false))).response, 314_159);
  },

  async server_compressed_unary({ test }) {
    for (const value of [true, false]) {
      const request = { ...LARGE, responseCompressed: { value } };
      checkZeros((await unary(test, 'unaryCall', request)).response, 314_159);
    }
  },

  async client_compressed_streaming({ test, gzip }) {
    const request = (value, size) => ({ expectCompressed: { value }, payload: zeros(size) });
    await checkStatus(upload(test, [request(true, 27_182)]), status.INVALID_ARGUMENT);
    const response = await upload(gzip, [request(true, 27_182), request(false, 45_904)]);
    assert.equal(response.aggregatedPayloadSize, 73_086);
  },

  async server_compressed_streaming({ test }) {
    const responseParameters = [
      { compressed: { value: true }, size: 31_415 },
      { compressed: { value: false }, size: 92_653 },
    ];
    await checkResponses(test.streamingOutputCall({ responseParameters }, options()), [31_415, 92_653]);
  },
};

/** Compresses the messages that the server shall expect to be. Only an interceptor can tell one from another. */
class CompressedAsExpected extends grpc.InterceptingCall {
  sendMessageWithContext(context, message) {
    // WriteFlags.NoCompress of grpc-js, which does not export it.
    const flags = message.expectCompressed?.value ? 0 : 2;
    super.sendMessageWithContext({ ...context, flags }, message);
  }
}

function connect(address) {
  const credentials = grpc.credentials.createInsecure();
  return {
    test: new TestService(address, credentials),
    unimplemented: new UnimplementedService(address, credentials),
    gzip: new TestService(address, credentials, {
      'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip,
      interceptors: [(options, next) => new CompressedAsExpected(next(options))],
    }),
  };
}

function options(limit = LIMIT) {
  return { deadline: Date.now() + limit };
}

/** One call's response and metadata. */
async function unary(client, method, request, metadata = new grpc.Metadata()) {
  let observed;
  const response = await new Promise((resolve, reject) => {
    const done = (error, response) => (error ? reject(error) : resolve(response));
    observed = observe(client[method](request, metadata, options(), done));
  });
  return { response, ...(await observed) };
}

/** The metadata of a call, once it has ended. */
function observe(call) {
  let initial;
  call.on('metadata', (metadata) => (initial = metadata));
  return new Promise((resolve) => call.on('status', ({ metadata }) => resolve({ initial, trailing: metadata })));
}

/** The response to a stream of requests. */
function upload(client, requests) {
  return new Promise((resolve, reject) => {
    const call = client.streamingInputCall(options(), (error, response) => (error ? reject(error) : resolve(response)));
    for (const request of requests) call.write(request);
    call.end();
  });
}

/** That a call ends with this status. */
async function checkStatus(call, code, details) {
  const succeeded = () => {
    throw new Error(`succeeded, and not ${status[code]}`);
  };
  const error = await call.then(succeeded, (error) => error);
  if (error.code !== code) throw error;
  if (details !== undefined) assert.equal(error.details, details);
}

async function checkResponses(responses, sizes) {
  const expected = [...sizes];
  for await (const response of responses) checkZeros(response, expected.shift());
  assert.deepEqual(expected, [], 'fewer responses than expected');
}

function checkZeros(response, size) {
  assert.equal(response?.payload.body.length, size);
  assert(response.payload.body.equals(Buffer.alloc(size)), 'bytes other than zero');
}

/** A case that waits for something else than its calls does not wait forever either. */
function inTime(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('not finished in time')), LIMIT + 1000);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function call(address, names) {
  const unknown = names.find((name) => !Object.hasOwn(cases, name));
  if (unknown !== undefined) {
    throw new Error(`there is no case "${unknown}"; the cases are: ${Object.keys(cases).join(', ')}`);
  }
  const clients = connect(address);
  for (const name of names.length > 0 ? names : Object.keys(cases)) {
    try {
      await inTime(cases[name](clients));
      console.log(`${name}: passed`);
    } catch (error) {
      process.exitCode = 1;
      console.log(`${name}: failed: ${error.message.replaceAll(/\s+/g, ' ')}`);
    }
  }
  for (const client of Object.values(clients)) client.close();
}

async function greet(address, name) {
  const client = new Greeter(address, grpc.credentials.createInsecure());
  console.log((await unary(client, 'sayHello', { name })).response.message);
  client.close();
}

async function main([command, address, ...rest]) {
  if (command === 'serve' && address) return serve([address, ...rest]);
  if (command === 'call' && address) return call(address, rest);
  if (command === 'greet' && rest.length === 1) return greet(address, rest[0]);
  throw new Error('usage: peer.js serve ADDRESS... | call ADDRESS [CASE...] | greet ADDRESS NAME');
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
