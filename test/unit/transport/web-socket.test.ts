// WebSockets with a real server: who may connect, and what isn't said over them.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket as WsWebSocket } from 'ws';
import { type ErrnoName, linuxerr } from '../../../src/abi/errno.ts';
import { whenClosed } from '../../../src/gofer-server/when-closed.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { CLOSE_NOT_BINARY, CLOSE_TOO_LARGE } from '../../../src/transport/transport.ts';
import { acceptWebSocket, chooseProtocol } from '../../../src/transport/web-socket-server.ts';
import {
  ConnectError,
  connectWebSocket,
  type ConnectOptions,
  type SocketClass,
} from '../../../src/transport/web-socket.ts';
import { clock, listen, Recorder, SIZE_MAX, SocketOfWs } from './support.ts';

const cleanUps: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function listening(options: Parameters<typeof listen>[0] = {}) {
  const server = await listen(options);
  cleanUps.push(() => server.close());
  return server;
}

function connect(url: string, options: Partial<ConnectOptions> = {}) {
  return connectWebSocket(url, {
    clock,
    messageSizeMax: SIZE_MAX,
    timeoutMs: 5000,
    WebSocket: SocketOfWs,
    ...options,
  });
}

/** How connecting fails. */
async function refusalOf(connecting: Promise<unknown>): Promise<ConnectError> {
  const result = await connecting.then(
    () => 'connected',
    (error: unknown) => error,
  );
  expect(result).toBeInstanceOf(ConnectError);
  return result as ConnectError;
}

function expectRefusal(refusal: ConnectError, code: ErrnoName, message: RegExp): void {
  expect(refusal.error).toBe(linuxerr[code]);
  expect(refusal.message).toMatch(message);
}

/** A server that answers every request in its own way, and the port of it. */
async function httpServer(answer: Parameters<Server['on']>[1]): Promise<number> {
  const server = createServer();
  server.on('upgrade', answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

describe('connecting', () => {
  test('ECONNREFUSED, with what the network says, if nobody listens', async () => {
    const server = await listen();
    await server.close();
    const refusal = await refusalOf(connect(server.url));
    expectRefusal(
      refusal,
      'ECONNREFUSED',
      /^no connection to ws:\/\/127\.0\.0\.1:\d+\/files: .*ECONN/,
    );
  });

  test('ECONNREFUSED, with its status, if the server is none of WebSockets', async () => {
    const port = await httpServer((_request: unknown, socket: { end(text: string): void }) => {
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
    });
    expectRefusal(await refusalOf(connect(`ws://127.0.0.1:${port}`)), 'ECONNREFUSED', /401/);
  });

  test('what follows the path of an address is not told: it may be a secret', async () => {
    const server = await listen();
    await server.close();
    const refusal = await refusalOf(connect(`${server.url}?token=hunter2`));
    expect(refusal.message).toContain('/files');
    expect(refusal.message).not.toContain('hunter2');
  });

  test('EPROTONOSUPPORT if the server speaks none of the protocols', async () => {
    const { url } = await listening({ protocols: ['chat'] });
    expectRefusal(await refusalOf(connect(url)), 'EPROTONOSUPPORT', /none of our protocols/);
  });

  test('EPROTONOSUPPORT if the client of a lax platform is given none', async () => {
    const { url } = await listening();
    // Asks for no protocol, and so gets none.
    const Lax = function (address: string) {
      return new WsWebSocket(address);
    } as unknown as SocketClass;
    const refusal = await refusalOf(connect(url, { WebSocket: Lax }));
    expectRefusal(refusal, 'EPROTONOSUPPORT', /none of our protocols/);
  });

  test('ETIMEDOUT if there is no answer in time', async () => {
    const fakeClock = new FakeClock();
    const server = createTcpServer(() => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const connecting = connect(`ws://127.0.0.1:${port}`, { clock: fakeClock, timeoutMs: 100 });
    const [socket] = (await once(server, 'connection')) as [{ destroy(): void }];
    cleanUps.push(async () => {
      socket.destroy();
      server.close();
      await once(server, 'close');
    });
    fakeClock.advance(99);
    fakeClock.advance(1);
    expectRefusal(await refusalOf(connecting), 'ETIMEDOUT', /within 100 ms/);
  });

  test('ECANCELED if that is asked for, before or meanwhile', async () => {
    const { url } = await listening();
    const early = await refusalOf(connect(url, { signal: AbortSignal.abort() }));
    expectRefusal(early, 'ECANCELED', /cancelled/);
    const controller = new AbortController();
    const connecting = connect(url, { signal: controller.signal });
    controller.abort();
    expectRefusal(await refusalOf(connecting), 'ECANCELED', /cancelled/);
  });

  test.each([['http://127.0.0.1/'], ['/files'], ['']])('EINVAL for the address %j', async (url) => {
    expectRefusal(await refusalOf(connect(url)), 'EINVAL', /ws: or wss:/);
  });

  test('EINVAL for an address with a fragment', async () => {
    expectRefusal(await refusalOf(connect('ws://127.0.0.1/#a')), 'EINVAL', /fragment/);
  });

  test('EINVAL, with what the platform says, if that does not even try', async () => {
    const Strict = function () {
      throw new Error('no insecure connection from a secure page');
    } as unknown as SocketClass;
    const connecting = connect('ws://127.0.0.1/', { WebSocket: Strict });
    expectRefusal(await refusalOf(connecting), 'EINVAL', /insecure/);
  });

  test('EOPNOTSUPP on a platform without WebSockets', async () => {
    const { WebSocket: platformClass } = globalThis;
    Reflect.deleteProperty(globalThis, 'WebSocket');
    try {
      const connecting = connectWebSocket('ws://127.0.0.1/', {
        clock,
        messageSizeMax: 100,
        timeoutMs: 100,
      });
      expectRefusal(await refusalOf(connecting), 'EOPNOTSUPP', /package ws/);
    } finally {
      if (platformClass !== undefined) globalThis.WebSocket = platformClass;
    }
  });

  test('the protocol is the first of the client that the server speaks', async () => {
    const { url } = await listening();
    expect((await connect(url)).protocol).toBe('lisafs');
    expect((await connect(url, { protocols: ['9p2000.L', 'lisafs'] })).protocol).toBe('9p2000.L');
    expect((await connect(url, { protocols: ['x', '9p2000.L'] })).protocol).toBe('9p2000.L');
    expect(chooseProtocol(new Set(['x', 'y']))).toBe(false);
  });
});

describe('a connection', () => {
  test('the first messages are not lost, however soon they come', async () => {
    const { server, url } = await listening();
    server.on('connection', (socket) => {
      for (let i = 0; i < 3; i++) socket.send(new Uint8Array([i]));
    });
    const recorder = new Recorder(await connect(url));
    await recorder.received(3);
    expect(recorder.messages.map((message) => [...message])).toEqual([[0], [1], [2]]);
  });

  test('a text frame closes it, at the client', async () => {
    const { server, url } = await listening();
    server.on('connection', (socket) => {
      socket.send('hello');
      socket.send(new Uint8Array(1));
    });
    const recorder = new Recorder(await connect(url));
    const { code, reason, isLocal } = await recorder.closed();
    expect([code, isLocal]).toEqual([CLOSE_NOT_BINARY, true]);
    expect(reason).toMatch(/text frame/);
    expect(recorder.messages).toEqual([]);
  });

  test('a text frame closes it, at the server', async () => {
    const { server, url } = await listening();
    const accepted = once(server, 'connection') as Promise<[WsWebSocket]>;
    const client = new WsWebSocket(url, ['lisafs']);
    const closed = whenClosed(client);
    const [socket] = await accepted;
    const recorder = new Recorder(acceptWebSocket(socket, { clock, messageSizeMax: 100 }));
    await once(client, 'open');
    client.send('hello');
    expect((await recorder.closed()).code).toBe(CLOSE_NOT_BINARY);
    const [code] = await closed;
    expect(code).toBe(CLOSE_NOT_BINARY);
  });

  test('pings that come at once are not all answered, but the latest is', async () => {
    const { server, url } = await listening();
    server.on('connection', (socket) => acceptWebSocket(socket, { clock, messageSizeMax: 100 }));
    const client = new WsWebSocket(url, ['lisafs']);
    await once(client, 'open');
    const pongs: string[] = [];
    const answered = new Promise<void>((resolve) => {
      client.on('pong', (data) => {
        pongs.push(String(data));
        if (String(data) === '999') resolve();
      });
    });
    for (let index = 0; index < 1000; index++) client.ping(String(index));
    await answered;
    // Each waits until the one before is on its way.
    expect(pongs.length).toBeLessThan(1000);
    expect(pongs).toEqual(pongs.toSorted((a, b) => Number(a) - Number(b)));
    client.ping('again');
    const [again] = (await once(client, 'pong')) as [Uint8Array];
    expect(String(again)).toBe('again');
    client.close();
  });

  test('a message that is too large closes it, at the client', async () => {
    const { server, url } = await listening();
    server.on('connection', (socket) => {
      socket.send(new Uint8Array(101));
    });
    const recorder = new Recorder(await connect(url, { messageSizeMax: 100 }));
    expect((await recorder.closed()).code).toBe(CLOSE_TOO_LARGE);
    expect(recorder.messages).toEqual([]);
  });

  test('a message that is too large closes it, at the server, before it is in memory', async () => {
    const { server, url } = await listening({ messageSizeMax: 100 });
    const accepted = once(server, 'connection') as Promise<[WsWebSocket]>;
    const recording = accepted.then(
      ([socket]) => new Recorder(acceptWebSocket(socket, { clock, messageSizeMax: 100 })),
    );
    const client = await connect(url);
    const atClient = new Recorder(client);
    const atServer = await recording;
    client.send(new Uint8Array(101));
    expect((await atServer.closed()).isLocal).toBe(false);
    expect(atServer.messages).toEqual([]);
    // RFC 6455: message too big.
    expect((await atClient.closed()).code).toBe(1009);
  });
});
