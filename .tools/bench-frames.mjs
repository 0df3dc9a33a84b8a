// A bare WebSocket server for the benchmarks, in a process of its own as a gofer is: it answers
// each frame that comes to /up with a byte, and each that comes to /down with one of 1 MiB.
// Prints its port.

import { randomBytes } from 'node:crypto';
import { WebSocketServer } from 'ws';

const SIZE = 2 ** 20;
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: false,
  maxPayload: 2 * SIZE,
});
const byte = new Uint8Array(1);
const frame = randomBytes(SIZE);

server.on('connection', (socket, { url }) => {
  const answer = url === '/up' ? byte : frame;
  socket.on('message', () => socket.send(answer));
});
server.on('listening', () => process.stdout.write(`${server.address().port}\n`));
