// What the cases check.

const assert = require('node:assert/strict');
const { Status } = require('./messages.js');

/** Awaits a call that ends with this status. Without `code`, it is any but OK. */
async function checkStatus(call, code, details) {
  const succeeded = () => {
    throw new Error(`succeeded, and not ${code ?? 'refused'}`);
  };
  const status = await call.then(succeeded, (error) => error);
  if (!(status instanceof Status)) throw status;
  if (code !== undefined && status.code !== code) throw new Error(`${status.message} instead of ${code}`);
  if (details !== undefined) assert.equal(status.details, details);
  return status;
}

async function checkResponses(call, sizes) {
  for (const size of sizes) checkZeros(await call.receive(), size);
  assert.equal(await call.receive(), undefined, 'a response after the last');
}

function checkZeros(response, size) {
  const body = response?.payload?.body;
  assert.equal(body?.length, size, 'size of the response');
  assert(Buffer.alloc(size).equals(body), 'bytes other than zero');
}

module.exports = { checkResponses, checkStatus, checkZeros };
