// The peer of the interoperability tests in JavaScript, on @connectrpc/connect-node: the protocol gRPC on `node:http2`.
// `node/command.js` describes the command line.

const { main } = require('./node/command.js');
const stack = require('./node/stack_connect.js');

main(stack);
