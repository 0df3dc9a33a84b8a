// The behaviour every transport has, over each of them.

import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { InvariantError } from '../../../src/lib/assert.ts';
import { runAsync } from '../../../src/lib/op.ts';
import {
  BUFFERED_BYTES_MAX,
  CLOSE_ABNORMAL,
  CLOSE_NORMAL,
  whenDrained,
} from '../../../src/transport/transport.ts';
import {
  loopbackPair,
  messagePortPair,
  type MakePair,
  type Pair,
  Recorder,
  webSocketPair,
} from './support.ts';

const KINDS: [name: string, makePair: MakePair][] = [
  ['loopback', loopbackPair],
  ['message port', messagePortPair],
  ['WebSocket', webSocketPair],
];

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.each(KINDS)('%s', (_name, makePair) => {
  let pair: Pair | undefined;

  afterEach(async () => {
    pair?.client.close();
    pair?.server.close();
    await pair?.cleanUp();
    pair = undefined;
  });

  async function make(messageSizeMax?: number): Promise<Pair> {
    pair = await makePair(messageSizeMax);
    return pair;
  }

  test('messages arrive whole and in order, both ways, also empty ones', async () => {
    const { client, server } = await make();
    const [atClient, atServer] = [new Recorder(client), new Recorder(server)];
    const texts = ['one', '', 'three', 'x'.repeat(70_000), 'five'];
    for (const text of texts) client.send(bytes(text));
    for (const text of texts.toReversed()) server.send(bytes(text));
    await atServer.received(texts.length);
    await atClient.received(texts.length);
    expect(atServer.texts).toEqual(texts);
    expect(atClient.texts).toEqual(texts.toReversed());
  });

  test('both sides know the protocol', async () => {
    const { client, server } = await make();
    expect(client.protocol).toBe('lisafs');
    expect(server.protocol).toBe('lisafs');
  });

  test('what came before the receiver is kept for it, and what comes then follows', async () => {
    const { client, server } = await make();
    const atClient = new Recorder(client);
    client.send(bytes('a'));
    client.send(bytes('b'));
    server.send(bytes('ping'));
    await atClient.received(1);
    const atServer = new Recorder(server);
    client.send(bytes('c'));
    await atServer.received(3);
    expect(atServer.texts).toEqual(['a', 'b', 'c']);
  });

  test('nothing is told from inside send, start or close', async () => {
    const { client, server } = await make();
    const atServer = new Recorder(server);
    client.send(bytes('a'));
    expect(atServer.messages).toEqual([]);
    await atServer.received(1);
    const atClient = new Recorder();
    client.start(atClient);
    client.close();
    expect(atClient.closes).toEqual([]);
    await atClient.closed();
    await atServer.closed();
  });

  test('a sender may use its memory again at once', async () => {
    const { client, server } = await make();
    const atServer = new Recorder(server);
    const memory = new Uint8Array(300_000);
    for (const value of [1, 2, 3]) {
      memory.fill(value);
      client.send(memory.subarray(10));
    }
    memory.fill(9);
    await atServer.received(3);
    const seen = atServer.messages.map((message) => [message.length, ...new Set(message)]);
    expect(seen).toEqual([1, 2, 3].map((value) => [299_990, value]));
  });

  test('a server may do so too', async () => {
    const { client, server } = await make();
    const atClient = new Recorder(client);
    const memory = new Uint8Array(2_000_000);
    for (const value of [1, 2, 3]) server.send(memory.fill(value));
    memory.fill(9);
    await atClient.received(3);
    expect(atClient.messages.map((message) => [...new Set(message)])).toEqual([[1], [2], [3]]);
  });

  test('a message of the largest size passes; EMSGSIZE for a larger one', async () => {
    const { client, server } = await make(1000);
    const atServer = new Recorder(server);
    expect(() => {
      client.send(new Uint8Array(1001));
    }).toThrow(linuxerr.EMSGSIZE);
    client.send(new Uint8Array(1000));
    await atServer.received(1);
    expect(atServer.messages[0]).toHaveLength(1000);
    expect(client.isOpen).toBe(true);
  });

  test('closing tells the other side code and reason, after what was sent before', async () => {
    const { client, server } = await make();
    const [atClient, atServer] = [new Recorder(client), new Recorder(server)];
    client.send(bytes('last words'));
    client.close(4321, 'enough');
    expect(client.isOpen).toBe(false);
    expect(await atServer.closed()).toEqual({ code: 4321, reason: 'enough', isLocal: false });
    expect(atServer.texts).toEqual(['last words']);
    expect(await atClient.closed()).toEqual({ code: 4321, reason: 'enough', isLocal: true });
    expect(server.isOpen).toBe(false);
  });

  test('closing again does nothing, and what is sent then is lost', async () => {
    const { client, server } = await make();
    const [atClient, atServer] = [new Recorder(client), new Recorder(server)];
    client.close();
    client.close(3000);
    client.send(bytes('too late'));
    expect(client.bufferedBytes).toBe(0);
    expect((await atServer.closed()).code).toBe(CLOSE_NORMAL);
    await atClient.closed();
    server.send(bytes('too late'));
    server.close();
    expect(atServer.messages).toEqual([]);
    expect(atClient.closes).toHaveLength(1);
    expect(atServer.closes).toHaveLength(1);
  });

  test('who closed hears no more of what the other side had sent', async () => {
    const { client, server } = await make();
    const atServer = new Recorder(server);
    const atClient = new Recorder();
    server.send(bytes('a'));
    client.send(bytes('b'));
    await atServer.received(1);
    client.start(atClient);
    client.close();
    await atClient.closed();
    await atServer.closed();
    expect(atClient.messages).toEqual([]);
  });

  test('a broken link is told as such', async () => {
    const { client, break: breakLink } = await make();
    const atClient = new Recorder(client);
    breakLink();
    const { code, isLocal, reason } = await atClient.closed();
    expect(code).toBe(CLOSE_ABNORMAL);
    expect(isLocal).toBe(false);
    expect(reason).not.toBe('');
    expect(client.isOpen).toBe(false);
  });

  test('who is paused is told nothing, and everything in order once it goes on', async () => {
    const { client, server } = await make();
    const [atClient, atServer] = [new Recorder(client), new Recorder(server)];
    client.send(bytes('before'));
    await atServer.received(1);
    server.pause();
    const size = 1 << 20;
    const sent = Array.from({ length: 32 }, (_, index) => new Uint8Array(size).fill(index));
    for (const message of sent) client.send(message);
    // There and back: what was to come has come.
    server.send(bytes('from the one who is paused'));
    await atClient.received(1);
    expect(atServer.texts).toEqual(['before']);
    expect(client.bufferedBytes).toBeGreaterThan(BUFFERED_BYTES_MAX);
    server.resume();
    await atServer.received(1 + sent.length);
    expect(atServer.messages.slice(1).map((message) => message[0])).toEqual(
      sent.map((_, index) => index),
    );
    await runAsync(whenDrained(client));
  });

  test('who has paused can close, and hears no more', async () => {
    const { client, server } = await make();
    const [atClient, atServer] = [new Recorder(client), new Recorder(server)];
    server.pause();
    client.send(new Uint8Array(100_000));
    server.close(4321, 'enough');
    expect(await atClient.closed()).toEqual({ code: 4321, reason: 'enough', isLocal: false });
    expect((await atServer.closed()).isLocal).toBe(true);
    expect(atServer.messages).toEqual([]);
    server.resume();
    expect(atServer.messages).toEqual([]);
  });

  test('bufferedBytes says what waits, and drained when it has gone', async () => {
    const { client, server } = await make();
    const atServer = new Recorder(server);
    // More than the buffers of a socket take at once.
    const count = 4;
    for (let i = 0; i < count; i++) client.send(new Uint8Array(4 << 20));
    expect(client.bufferedBytes).toBeGreaterThan(BUFFERED_BYTES_MAX);
    await runAsync(whenDrained(client));
    expect(client.bufferedBytes).toBeLessThanOrEqual(BUFFERED_BYTES_MAX);
    await atServer.received(count);
  });

  test('nobody waits for a closed link to drain', async () => {
    const { client, server } = await make();
    new Recorder(server);
    for (let i = 0; i < 4; i++) client.send(new Uint8Array(4 << 20));
    const drained = runAsync(whenDrained(client));
    client.close();
    await drained;
    expect(client.bufferedBytes).toBe(0);
  });

  test('a code or a reason that no browser would send is a bug', async () => {
    const { client } = await make();
    for (const code of [999, 1001, 1006, 2999, 5000]) {
      expect(() => {
        client.close(code);
      }).toThrow(InvariantError);
    }
    expect(() => {
      client.close(CLOSE_NORMAL, 'é'.repeat(62));
    }).toThrow(InvariantError);
    expect(client.isOpen).toBe(true);
  });

  test('starting twice is a bug', async () => {
    const { client } = await make();
    new Recorder(client);
    expect(() => new Recorder(client)).toThrow(InvariantError);
  });
});
