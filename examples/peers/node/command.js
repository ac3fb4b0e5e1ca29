// The command line of the peers in JavaScript.
//
//     serve ADDRESS...           prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
//     call ADDRESS [CASE...]     gRPC's interoperability cases, or with `--extended` more, a line each; exits with 1
//                                when one fails
//     greet ADDRESS NAME         one call; prints the reply
//     version                    the versions of the stack and of Node.js
//
// A program on grpc-js or connect-node is not told whether a message that it received was compressed, and cannot choose
// for each response whether to compress it. So the servers do not support the four cases of compression, and the
// clients do not check the compression of responses in `server_compressed_unary` and `server_compressed_streaming`.

const { parseArgs } = require('node:util');
const cases = require('./cases.js');
const extended = require('./extended.js');
const { CASE_LIMIT, NotApplicable } = require('./messages.js');

async function runCases(stack, address, names, options) {
  const known = { ...cases, ...extended };
  const unknown = names.find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) {
    throw new Error(`unknown case "${unknown}"; the cases are: ${Object.keys(known).join(', ')}`);
  }
  if (names.length === 0) names = Object.keys(options.extended ? extended : cases);
  const client = new stack.Client(address, options);
  for (const name of names) {
    try {
      if (client.lacks[name]) throw new NotApplicable(client.lacks[name]);
      await inTime(known[name](client));
      console.log(`${name}: passed`);
    } catch (error) {
      const why = error.message.replaceAll(/\s+/g, ' ');
      if (error instanceof NotApplicable) {
        console.log(`${name}: not applicable: ${why}`);
        continue;
      }
      process.exitCode = 1;
      console.log(`${name}: failed: ${why}`);
    }
  }
  client.close();
  // What a stack leaves behind does not delay the end. First, the lines are written.
  process.stdout.write('', () => process.exit());
}

function inTime(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished within ${CASE_LIMIT / 1000} seconds`)), CASE_LIMIT);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function greet(stack, address, name) {
  const client = new stack.Client(address, {});
  console.log((await client.unary('sayHello', { name })).response.message);
  client.close();
}

async function run(stack) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      extended: { type: 'boolean' },
      'max-message-size': { type: 'string' },
      'max-connection-age': { type: 'string' },
    },
  });
  const number = (text) => (text === undefined ? undefined : Number(text));
  const options = {
    extended: values.extended,
    maxMessageSize: number(values['max-message-size']),
    maxConnectionAge: number(values['max-connection-age']),
  };
  const [command, address, ...rest] = positionals;
  if (command === 'version') return console.log(`${stack.VERSION}, Node.js ${process.versions.node}`);
  if (command === 'serve' && address) return stack.serve([address, ...rest], options);
  if (command === 'call' && address) return runCases(stack, address, rest, options);
  if (command === 'greet' && rest.length === 1) return greet(stack, address, rest[0]);
  throw new Error('usage: serve ADDRESS... | call ADDRESS [CASE...] | greet ADDRESS NAME | version');
}

exports.main = (stack) =>
  run(stack).catch((error) => {
    const lacking = error instanceof NotApplicable;
    console.error(lacking ? `not applicable: ${error.message}` : error.message);
    process.exit(lacking ? 2 : 1);
  });
