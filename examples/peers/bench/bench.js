// `ipc.bench.Bench` in JavaScript, on @grpc/grpc-js.
//
//     bench.js serve ADDRESS                    prints `listening on ADDRESS`, serves until SIGTERM or Ctrl-C
//     bench.js bench ADDRESS SECONDS SHAPE...   measures kinds of calls, two lines each (`benches/shapes`)
//     bench.js version                          prints the versions
//
// The shapes are unary-IN_FLIGHT-BYTES, download-BYTES, upload-BYTES and connect-BYTES. `npipe:NAME` is a pipe.

const fs = require('node:fs');
const path = require('node:path');
// Installed below `target`, not beside this file.
const modules = path.join(__dirname, '../../../target/peers/node/node_modules');
const grpc = require(path.join(modules, '@grpc/grpc-js'));
const { loadSync } = require(path.join(modules, '@grpc/proto-loader'));

const definition = loadSync(path.join(__dirname, '../../../proto/bench.proto'), { defaults: true });
const { Bench } = grpc.loadPackageDefinition(definition).ipc.bench;

const TRANSFER = 32 * 1024 * 1024;
const MESSAGES = 20_000;

const service = {
  echo: (call, reply) => reply(null, call.request),

  async download(call) {
    const chunk = { payload: Buffer.alloc(call.request.size) };
    for (let sent = 0; sent < call.request.count && !call.cancelled; sent++) {
      if (!call.write(chunk)) await new Promise((resolve) => call.once('drain', resolve));
    }
    call.end();
  },

  upload(call, reply) {
    let count = 0;
    let bytes = 0;
    call.on('data', ({ payload }) => {
      count += 1;
      bytes += payload.length;
    });
    call.on('end', () => reply(null, { count, bytes }));
  },
};

function serve(address) {
  const server = new grpc.Server();
  server.addService(Bench.service, service);
  server.bindAsync(target(address), grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
    print(`listening on ${address}`);
  });
  const stop = () => server.tryShutdown(() => process.exit(0));
  process.on('SIGTERM', stop).on('SIGINT', stop);
}

// Under Wine, `console.log` fails if the output is a Unix pipe.
const print = (line) => fs.writeSync(1, `${line}\n`);

const now = () => Number(process.hrtime.bigint()) / 1e9;
const messages = (size) => Math.min(Math.max(Math.floor(TRANSFER / size), 1), MESSAGES);

const kinds = {
  async unary({ client }, end, inFlight, size) {
    const chunk = { payload: Buffer.alloc(size) };
    const latencies = [];
    const caller = async () => {
      for (let begin = now(); begin < end; ) {
        check((await echo(client, chunk)).payload.length, size);
        const ended = now();
        latencies.push(ended - begin);
        begin = ended;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    return [latencies.length, latencies];
  },

  async download({ client }, end, size) {
    let received = 0;
    while (now() < end) {
      for await (const { payload } of client.download({ count: messages(size), size })) {
        check(payload.length, size);
        received += 1;
      }
    }
    return [received, []];
  },

  async upload({ client }, end, size) {
    const chunk = { payload: Buffer.alloc(size) };
    const count = messages(size);
    let sent = 0;
    while (now() < end) {
      const total = await new Promise((resolve, reject) => {
        const call = client.upload((error, response) => (error ? reject(error) : resolve(response)));
        (async () => {
          for (let written = 0; written < count; written++) {
            if (!call.write(chunk)) await new Promise((drained) => call.once('drain', drained));
          }
          call.end();
        })();
      });
      check(Number(total.count), count);
      sent += count;
    }
    return [sent, []];
  },

  async connect({ address }, end, size) {
    const latencies = [];
    while (now() < end) {
      const begin = now();
      const client = connect(address);
      await echo(client, { payload: Buffer.alloc(size) });
      latencies.push(now() - begin);
      client.close();
    }
    return [latencies.length, latencies];
  },
};

function echo(client, chunk) {
  return new Promise((resolve, reject) => {
    client.echo(chunk, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

function connect(address) {
  // Without this, clients of one address share a connection.
  return new Bench(target(address), grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
}

function target(address) {
  return address.startsWith('npipe:') ? `unix:\\\\.\\pipe\\${address.slice('npipe:'.length)}` : address;
}

function check(seen, expected) {
  if (seen !== expected) throw new Error(`${seen} instead of ${expected}`);
}

async function measure(to, shape, seconds) {
  const [kind, ...numbers] = shape.split('-');
  const begin = now();
  const [count, latencies] = await kinds[kind](to, begin + seconds, ...numbers.map(Number));
  let figures = `count ${count} seconds ${(now() - begin).toFixed(6)}`;
  latencies.sort((one, other) => one - other);
  for (const [name, slower] of [['p50', 500], ['p99', 10], ['p99.9', 1]]) {
    const above = Math.floor((latencies.length * slower) / 1000);
    if (above > 0) figures += ` ${name} ${(latencies.at(-above) * 1e6).toFixed(1)}`;
  }
  return figures;
}

async function run(address, seconds, shapes) {
  const client = connect(address);
  for (const shape of shapes) {
    // The compiler of V8 takes its time.
    await measure({ address, client }, shape, Math.max(seconds / 5, 1));
    print(`${shape} begins`);
    print(`${shape} ${await measure({ address, client }, shape, seconds)}`);
  }
  client.close();
}

const [command, address, seconds, ...shapes] = process.argv.slice(2);
if (command === 'version') {
  const { version } = require(path.join(modules, '@grpc/grpc-js/package.json'));
  print(`grpc-js ${version}, Node.js ${process.versions.node}`);
} else if (command === 'serve' && address) {
  serve(address);
} else if (command === 'bench' && shapes.length > 0) {
  run(address, Number(seconds), shapes).catch((error) => {
    console.error(error);
    process.exit(1);
  });
} else {
  console.error('usage: bench.js serve ADDRESS | bench ADDRESS SECONDS SHAPE... | version');
  process.exitCode = 1;
}
