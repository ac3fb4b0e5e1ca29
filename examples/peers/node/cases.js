// gRPC's cases (`interop-test-descriptions.md`), on the client of any stack. Each call has a deadline.
//
// A client has
//
//     unary(method, request, { metadata, timeout, compressed })     the response, and the initial and trailing metadata
//     call(method, { request, metadata, timeout, compressed })      a call; without `request`, a stream of requests
//     health(service), services()                                   the stack's own clients of health and reflection
//
// and a call has `send`, `finishSending`, `receive` (a response, or `undefined` after the last), `metadata` and
// `cancel`. They throw `Status` if the call ends with another status than OK.

const assert = require('node:assert/strict');
const { checkResponses, checkStatus, checkZeros } = require('./checks.js');
const { INITIAL, TRAILING, zeros, ask, values } = require('./messages.js');

const REQUEST_SIZES = [27_182, 8, 1_828, 45_904];
const RESPONSE_SIZES = [31_415, 9, 2_653, 58_979];
const LARGE = { responseSize: 314_159, payload: zeros(271_828) };

const cases = {
  async empty_unary(client) {
    await client.unary('emptyCall', {});
  },

  async large_unary(client) {
    checkZeros((await client.unary('unaryCall', LARGE)).response, 314_159);
  },

  async client_streaming(client) {
    const requests = REQUEST_SIZES.map((size) => ({ payload: zeros(size) }));
    assert.equal(await upload(client, requests), 74_922);
  },

  async server_streaming(client) {
    const responseParameters = RESPONSE_SIZES.map((size) => ({ size }));
    const call = await client.call('streamingOutputCall', { request: { responseParameters } });
    await checkResponses(call, RESPONSE_SIZES);
  },

  async ping_pong(client) {
    const call = await client.call('fullDuplexCall');
    for (const [i, size] of RESPONSE_SIZES.entries()) {
      await call.send(ask(size, REQUEST_SIZES[i]));
      checkZeros(await call.receive(), size);
    }
    await call.finishSending();
    await checkResponses(call, []);
  },

  async empty_stream(client) {
    const call = await client.call('fullDuplexCall');
    await call.finishSending();
    await checkResponses(call, []);
  },

  async custom_metadata(client) {
    const metadata = [
      [INITIAL, 'test_initial_metadata_value'],
      [TRAILING, Buffer.from([0xab, 0xab, 0xab])],
    ];
    const checkEchoes = ({ initial, trailing }) => {
      assert.deepEqual(values(initial, INITIAL), [metadata[0][1]]);
      assert.deepEqual(values(trailing, TRAILING), [metadata[1][1]]);
    };
    const { response, ...echoes } = await client.unary('unaryCall', LARGE, { metadata });
    checkZeros(response, 314_159);
    checkEchoes(echoes);
    const call = await client.call('fullDuplexCall', { metadata });
    await call.send(ask(314_159, 271_828));
    await call.finishSending();
    await checkResponses(call, [314_159]);
    checkEchoes(await call.metadata());
  },

  async status_code_and_message(client) {
    const responseStatus = { code: 2, message: 'test status message' };
    await checkStatus(client.unary('unaryCall', { responseStatus }), 'UNKNOWN', responseStatus.message);
    const call = await client.call('fullDuplexCall');
    await call.send({ responseStatus });
    await call.finishSending();
    await checkStatus(call.receive(), 'UNKNOWN', responseStatus.message);
  },

  async special_status_message(client) {
    const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
    const responseStatus = { code: 2, message };
    await checkStatus(client.unary('unaryCall', { responseStatus }), 'UNKNOWN', message);
  },

  async unimplemented_method(client) {
    await checkStatus(client.unary('unimplementedCall', {}), 'UNIMPLEMENTED');
  },

  async unimplemented_service(client) {
    await checkStatus(client.unary('absent', {}), 'UNIMPLEMENTED');
  },

  async cancel_after_begin(client) {
    const call = await client.call('streamingInputCall');
    // This one follows it on the same connection: once it is answered, the server has heard of both.
    await client.unary('emptyCall', {});
    call.cancel();
    await checkStatus(call.receive(), 'CANCELLED');
  },

  async cancel_after_first_response(client) {
    const call = await client.call('fullDuplexCall');
    await call.send(ask(31_415, 27_182));
    checkZeros(await call.receive(), 31_415);
    call.cancel();
    await checkStatus(call.receive(), 'CANCELLED');
  },

  async timeout_on_sleeping_server(client) {
    const call = await client.call('fullDuplexCall', { timeout: 1 });
    await call.send({ payload: zeros(27_182) });
    await checkStatus(call.receive(), 'DEADLINE_EXCEEDED');
  },

  async client_compressed_unary(client) {
    const request = (value) => ({ ...LARGE, expectCompressed: { value } });
    checkZeros((await client.unary('unaryCall', request(true), { compressed: true })).response, 314_159);
    await checkStatus(client.unary('unaryCall', request(true)), 'INVALID_ARGUMENT');
    checkZeros((await client.unary('unaryCall', request(false))).response, 314_159);
  },

  async server_compressed_unary(client) {
    for (const value of [true, false]) {
      const request = { ...LARGE, responseCompressed: { value } };
      checkZeros((await client.unary('unaryCall', request)).response, 314_159);
    }
  },

  async client_compressed_streaming(client) {
    const request = (value, size) => ({ expectCompressed: { value }, payload: zeros(size) });
    assert.equal(await upload(client, [request(true, 27_182), request(false, 45_904)], true), 73_086);
    await checkStatus(upload(client, [request(true, 27_182)]), 'INVALID_ARGUMENT');
  },

  async server_compressed_streaming(client) {
    const responseParameters = [
      { compressed: { value: true }, size: 31_415 },
      { compressed: { value: false }, size: 92_653 },
    ];
    const call = await client.call('streamingOutputCall', { request: { responseParameters } });
    await checkResponses(call, [31_415, 92_653]);
  },
};

async function upload(client, requests, compressed = false) {
  const call = await client.call('streamingInputCall', { compressed });
  for (const request of requests) await call.send(request);
  await call.finishSending();
  return (await call.receive()).aggregatedPayloadSize;
}

module.exports = cases;
