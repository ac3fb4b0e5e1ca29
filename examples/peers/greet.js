// greet.Greeter in JavaScript, on @grpc/grpc-js.
//
//     greet.js serve ADDRESS          prints `listening on ADDRESS`, serves until SIGTERM
//     greet.js greet ADDRESS NAME     one call; prints the reply

const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');

const proto = path.join(__dirname, '../../proto/greet.proto');
const { Greeter } = grpc.loadPackageDefinition(loadSync(proto)).greet;
const [command, address, name] = process.argv.slice(2);

function fail(error) {
  console.error(`${error.code}: ${error.details ?? error.message}`);
  process.exit(1);
}

if (command === 'serve') {
  const server = new grpc.Server();
  server.addService(Greeter.service, {
    sayHello: (call, reply) => reply(null, { message: `Hello ${call.request.name}` }),
  });
  server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) fail(error);
    console.log(`listening on ${address}`);
  });
  process.on('SIGTERM', () => server.tryShutdown(() => process.exit(0)));
} else if (command === 'greet') {
  const client = new Greeter(address, grpc.credentials.createInsecure());
  client.sayHello({ name }, { deadline: Date.now() + 10_000 }, (error, reply) => {
    if (error) fail(error);
    console.log(reply.message);
    client.close();
  });
} else {
  console.error('usage: greet.js serve ADDRESS | greet ADDRESS NAME');
  process.exit(2);
}
