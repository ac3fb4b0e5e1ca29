// A client in Node.js of the server in `console.rs`.
//
//     npm install @grpc/grpc-js @grpc/proto-loader
//     node greet.js unix:/run/user/1000/topics.sock Ada
//
// prints `Hello Ada`. The server prints its address. On Windows, write `unix:\\.\pipe\NAME` for `npipe:NAME`.

const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const { loadSync } = require('@grpc/proto-loader');

const { topics } = grpc.loadPackageDefinition(loadSync(path.join(__dirname, 'topics.proto')));

const [address, name] = process.argv.slice(2);
const greeter = new topics.Greeter(address, grpc.credentials.createInsecure());
greeter.sayHello({ name }, { deadline: Date.now() + 5000 }, (error, reply) => {
  if (error) {
    console.error(`${grpc.status[error.code]}: ${error.details}`);
    process.exitCode = 1;
  } else {
    console.log(reply.message);
  }
  greeter.close();
});
