// More cases than gRPC's own, with the same names in all peers.

const assert = require('node:assert/strict');
const { checkResponses, checkStatus, checkZeros } = require('./checks.js');
const {
  CODES,
  GRPC_STATUS_DETAILS,
  INITIAL,
  STATUS_DETAILS,
  TEST_SERVICE,
  TRAILING,
  ask,
  values,
  zeros,
} = require('./messages.js');

const MIB = 1024 * 1024;
const SECOND = 1000;
const HOUR = 60 * 60 * SECOND;

const sized = (requestSize, responseSize = 0) => ({ responseSize, payload: zeros(requestSize) });
const ending = (code, message) => ({ responseStatus: { code, message } });
const checkNextCall = (client) => client.unary('emptyCall', {});

/** Calls at once. */
const all = (client, requests) => Promise.all(requests.map((request) => client.unary('unaryCall', request)));

module.exports = {
  async message_sizes(client) {
    for (const size of [0, 4 * MIB - 1024, 4 * MIB + 1, 64 * MIB]) {
      checkZeros((await client.unary('unaryCall', sized(size, size))).response, size);
    }
  },

  async message_too_large(client) {
    await checkStatus(client.unary('unaryCall', sized(4 * MIB + 1)), 'RESOURCE_EXHAUSTED');
    await checkNextCall(client);
  },

  async binary_metadata(client) {
    const bytes = (length) => Buffer.from(Array.from({ length }, (_, i) => i));
    const everyPadding = [0, 1, 2, 3, 4, 5].map((length) => [bytes(length)]);
    for (const sent of [...everyPadding, [bytes(256)], [Buffer.from('one'), Buffer.from([0, 255])]]) {
      const metadata = sent.map((value) => [TRAILING, value]);
      const { trailing } = await client.unary('emptyCall', {}, { metadata });
      assert.deepEqual(values(trailing, TRAILING), sent);
    }
  },

  async large_metadata(client) {
    const value = 'm'.repeat(6 * 1024);
    const { initial } = await client.unary('emptyCall', {}, { metadata: [[INITIAL, value]] });
    assert(values(initial, INITIAL)[0] === value, '6 KiB did not come back');
    await checkStatus(client.unary('emptyCall', {}, { metadata: [[INITIAL, 'm'.repeat(MIB)]] }));
    await checkNextCall(client);
  },

  async many_calls(client) {
    const requests = Array.from({ length: 1000 }, (_, size) => sized(0, size));
    for (const [size, { response }] of (await all(client, requests)).entries()) checkZeros(response, size);
  },

  async trailers_only(client) {
    const call = await client.call('fullDuplexCall');
    await call.send(ending(5, 'nothing but a status'));
    await call.finishSending();
    await checkStatus(call.receive(), 'NOT_FOUND', 'nothing but a status');
  },

  async every_status(client) {
    const message = 'ü € 😀 % \t \r\n';
    for (const [code, name] of CODES.entries()) {
      if (code > 0) await checkStatus(client.unary('unaryCall', ending(code, message)), name, message);
    }
  },

  async status_details(client) {
    // `google.rpc.Status` with code 3, its message, and no, one or two empty details: 11, 13 and 15 bytes.
    for (const details of [0, 1, 2]) {
      const sent = Buffer.from(`\x08\x03\x12\x07details${'\x1a\x00'.repeat(details)}`, 'latin1');
      const call = client.unary('emptyCall', {}, { metadata: [[STATUS_DETAILS, sent]] });
      const { trailing } = await checkStatus(call, 'INVALID_ARGUMENT', 'details');
      assert.deepEqual(values(trailing, GRPC_STATUS_DETAILS), [sent]);
    }
  },

  async deadlines(client) {
    for (const timeout of [5 * SECOND, 100 * SECOND, 3 * HOUR, 30 * 24 * HOUR]) {
      await client.unary('emptyCall', {}, { timeout });
    }
    // A busy machine may need longer than the shortest of them.
    for (let attempt = 1; ; attempt++) {
      try {
        return await client.unary('emptyCall', {}, { timeout: 50 });
      } catch (error) {
        if (attempt === 20) throw error;
      }
    }
  },

  async deadline_passed(client) {
    for (const timeout of [0, -1000]) {
      await checkStatus(client.unary('emptyCall', {}, { timeout }), 'DEADLINE_EXCEEDED');
    }
    await checkNextCall(client);
  },

  async cancel_phases(client) {
    for (const phase of PHASES) {
      const call = await phase(client);
      call.cancel();
      await checkStatus(drained(call), 'CANCELLED');
      await checkNextCall(client);
    }
  },

  async empty_streams(client) {
    const upload = await client.call('streamingInputCall');
    await upload.finishSending();
    assert.equal((await upload.receive()).aggregatedPayloadSize, 0);
    for (const method of ['fullDuplexCall', 'halfDuplexCall']) {
      const call = await client.call(method);
      await call.finishSending();
      await checkResponses(call, []);
    }
  },

  async early_status(client) {
    const call = await client.call('fullDuplexCall');
    await call.send(ending(9, 'early'));
    for (let i = 0; i < 128; i++) await call.send({ payload: zeros(64 * 1024) });
    await call.finishSending();
    await checkStatus(call.receive(), 'FAILED_PRECONDITION', 'early');
    await checkNextCall(client);
  },

  async connection_age(client) {
    const end = Date.now() + 3 * SECOND;
    while (Date.now() < end) {
      await checkNextCall(client);
      const requests = Array.from({ length: 8 }, () => sized(1000, 1000));
      for (const { response } of await all(client, requests)) checkZeros(response, 1000);
    }
  },

  async health(client) {
    for (const service of ['', TEST_SERVICE]) assert.equal(await client.health(service), 'SERVING');
    await checkStatus(client.health('no.such.Service'), 'NOT_FOUND');
  },

  async reflection(client) {
    const services = await client.services();
    assert(services.includes(TEST_SERVICE), `${TEST_SERVICE} is not one of ${services}`);
  },
};

/** The phases in which a call is cancelled. Each begins a call, and brings it to that phase. */
const PHASES = [
  function atOnce(client) {
    return client.call('fullDuplexCall');
  },

  async function afterHeaders(client) {
    const call = await client.call('fullDuplexCall');
    // As in `cancel_after_begin`.
    await checkNextCall(client);
    return call;
  },

  async function afterFirstMessageSent(client) {
    const call = await client.call('fullDuplexCall');
    await call.send({ payload: zeros(1000) });
    await checkNextCall(client);
    return call;
  },

  async function afterFirstMessageReceived(client) {
    const call = await client.call('fullDuplexCall');
    await call.send(ask(1000));
    checkZeros(await call.receive(), 1000);
    return call;
  },

  async function afterHalfClose(client) {
    const call = await client.call('fullDuplexCall');
    await call.send(ask(1000, 0, 10_000_000));
    await call.finishSending();
    await checkNextCall(client);
    return call;
  },

  async function whenHalfIsRead(client) {
    // More than any stack reads ahead.
    const responseParameters = Array(16).fill({ size: MIB });
    const call = await client.call('streamingOutputCall', { request: { responseParameters } });
    for (let i = 0; i < 8; i++) checkZeros(await call.receive(), MIB);
    return call;
  },
];

/** Responses that had arrived before the cancellation may still be read. */
async function drained(call) {
  while ((await call.receive()) !== undefined);
}
