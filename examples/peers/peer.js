// The peer of the interoperability tests in JavaScript, on @grpc/grpc-js. `node/command.js` describes the command line.

const { main } = require('./node/command.js');
const stack = require('./node/stack_grpc_js.js');

main(stack);
