// The messages and services of `proto/`, and what all stacks share.

const path = require('node:path');
const { loadSync } = require('@grpc/proto-loader');

const load = (file) => loadSync(path.join(__dirname, '../../../proto', file), { defaults: true });
const definitions = { ...load('greet.proto'), ...load('grpc/testing/test.proto') };

const GREETER = 'greet.Greeter';
const TEST_SERVICE = 'grpc.testing.TestService';
const ABSENT_SERVICE = 'grpc.testing.UnimplementedService';

const INITIAL = 'x-grpc-test-echo-initial';
const TRAILING = 'x-grpc-test-echo-trailing-bin';
const STATUS_DETAILS = 'x-status-details-bin';
const GRPC_STATUS_DETAILS = 'grpc-status-details-bin';

// Milliseconds that a call may take, and a case.
const LIMIT = 15_000;
const CASE_LIMIT = 20_000;

/** A call's status, unless it is OK. `code` is its name. `trailing` is metadata: an array of keys and values. */
class Status extends Error {
  constructor(code, details, trailing = []) {
    super(`status ${code}: ${JSON.stringify(details)}`);
    Object.assign(this, { code, details, trailing });
  }
}

/** A feature that the stack lacks. */
class NotApplicable extends Error {}

const CODES = `OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED
  RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS
  UNAUTHENTICATED`.split(/\s+/);

const zeros = (size) => ({ body: Buffer.alloc(size) });

const ask = (size, requestSize = 0, intervalUs = 0) => ({
  responseParameters: [{ size, intervalUs }],
  payload: zeros(requestSize),
});

const values = (metadata, key) => metadata.filter(([name]) => name === key).map(([, value]) => value);

/** An address as `{ path }`, or as `{ host, port }`. */
function parse(address) {
  const [scheme, rest] = address.split(/:(.*)/s);
  if (scheme === 'unix') return { path: rest };
  if (scheme === 'unix-abstract') {
    throw new NotApplicable('Node.js 20 fills the name of an abstract socket with NUL, which makes it another name');
  }
  if (scheme === 'tcp') {
    const [host, port] = rest.split(/:(?=\d+$)/);
    return { host, port: Number(port) };
  }
  throw new NotApplicable(`no transport has the address ${address}`);
}

module.exports = {
  definitions,
  GREETER,
  TEST_SERVICE,
  ABSENT_SERVICE,
  INITIAL,
  TRAILING,
  STATUS_DETAILS,
  GRPC_STATUS_DETAILS,
  LIMIT,
  CASE_LIMIT,
  Status,
  NotApplicable,
  CODES,
  zeros,
  ask,
  values,
  parse,
};
