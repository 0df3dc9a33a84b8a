// Messages over a stream of bytes: however it is cut, and over a real connection of TCP.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { FakeClock, RealClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { type ByteStream, StreamTransport } from '../../../src/transport/stream.ts';
import {
  BUFFERED_BYTES_MAX,
  type CloseInfo,
  type Receiver,
  type Transport,
  whenDrained,
} from '../../../src/transport/transport.ts';

const MESSAGE_SIZE_MAX = 4 << 20;

class Kept implements Receiver {
  readonly messages: Uint8Array[] = [];
  readonly closes: CloseInfo[] = [];
  #onChange: () => void = () => undefined;

  onMessage(message: Uint8Array): void {
    this.messages.push(message);
    this.#onChange();
  }

  onClose(info: CloseInfo): void {
    this.closes.push(info);
    this.#onChange();
  }

  async until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      await new Promise<void>((resolve) => {
        this.#onChange = resolve;
      });
    }
  }
}

function messageOf(...body: number[]): Uint8Array {
  return Uint8Array.of(4 + body.length, 0, 0, 0, ...body);
}

describe('a stream', () => {
  function open(messageSizeMax: number, clock = new FakeClock()) {
    const stream = new PassThrough();
    const kept = new Kept();
    const options = { clock, protocol: 'test', messageSizeMax };
    // What is written comes back.
    const transport = new StreamTransport(stream, options);
    transport.start(kept);
    return { stream, kept, transport, clock };
  }

  test.each([1, 2, 3, 5, 7, 1000])('is cut into messages, in pieces of %i bytes', async (size) => {
    const { stream, kept } = open(100);
    const messages = [
      messageOf(),
      messageOf(1, 2, 3),
      messageOf(4),
      messageOf(...Array(96).keys()),
    ];
    const bytes = Uint8Array.from(messages.flatMap((message) => [...message]));
    for (let at = 0; at < bytes.length; at += size) stream.write(bytes.subarray(at, at + size));
    await kept.until(() => kept.messages.length === messages.length);
    expect(kept.messages).toEqual(messages);
    expect(kept.closes).toEqual([]);
  });

  test.each([
    ['none', [3, 0, 0, 0]],
    ['larger than any', [101, 0, 0, 0]],
    ['as large as can be', [255, 255, 255, 255]],
    ['a method of HTTP', [...new TextEncoder().encode('GET /')]],
  ])('a size that is %s ends it', async (_name, bytes) => {
    const { stream, kept, transport } = open(100);
    stream.write(Uint8Array.from(bytes));
    await kept.until(() => kept.closes.length > 0);
    expect(kept.messages).toEqual([]);
    expect(kept.closes).toMatchObject([{ code: 4009, isLocal: true }]);
    expect(transport.isOpen).toBe(false);
  });

  test('nothing comes of what follows a close', async () => {
    const { stream, kept, transport } = open(100);
    stream.write(messageOf(1));
    transport.close(4002, 'enough');
    await kept.until(() => kept.closes.length > 0);
    expect([kept.messages, kept.closes]).toEqual([
      [],
      [{ code: 4002, reason: 'enough', isLocal: true }],
    ]);
    transport.send(messageOf(2));
    transport.close();
    expect(kept.closes).toHaveLength(1);
  });

  test('a message that is too large is not sent', () => {
    const { transport } = open(5);
    expect(() => {
      transport.send(messageOf(1, 2));
    }).toThrow(linuxerr.EMSGSIZE);
  });

  test('one whose other end takes nothing is cut off in the end', () => {
    const clock = new FakeClock();
    const calls: string[] = [];
    const stuck: ByteStream = {
      writableLength: 10,
      write: () => false,
      end: () => calls.push('end'),
      destroy: () => calls.push('destroy'),
      on: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
    };
    const transport = new StreamTransport(stuck, { clock, protocol: '', messageSizeMax: 10 });
    transport.close();
    expect(calls).toEqual(['end']);
    clock.advance(2000);
    expect(calls).toEqual(['end', 'destroy']);
  });
});

describe('a connection of TCP', () => {
  const clock = new RealClock();
  let server: Server;
  let client: Socket;
  let accepted: Socket;

  beforeEach(async () => {
    server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    [accepted] = (await once(server, 'connection')) as [Socket];
  });
  afterEach(() => {
    for (const socket of [client, accepted]) socket.destroy();
    server.close();
  });

  function both(): [near: Kept, far: Kept, near: Transport, far: Transport] {
    const options = { clock, protocol: 'test', messageSizeMax: MESSAGE_SIZE_MAX };
    const [near, far] = [
      new StreamTransport(client, options),
      new StreamTransport(accepted, options),
    ];
    const kept: [Kept, Kept] = [new Kept(), new Kept()];
    near.start(kept[0]);
    far.start(kept[1]);
    return [...kept, near, far];
  }

  test('carries messages both ways, whose memory may be used again at once', async () => {
    const [near, far, nearEnd, farEnd] = both();
    const message = messageOf(1);
    nearEnd.send(message);
    message[4] = 2;
    nearEnd.send(message);
    farEnd.send(messageOf(3));
    await far.until(() => far.messages.length === 2);
    await near.until(() => near.messages.length === 1);
    expect(far.messages.map((bytes) => bytes[4])).toEqual([1, 2]);
    expect(near.messages[0]![4]).toBe(3);
  });

  test('is closed once what was sent is there', async () => {
    const [near, far, nearEnd, farEnd] = both();
    const large = new Uint8Array(MESSAGE_SIZE_MAX).fill(7);
    new DataView(large.buffer).setUint32(0, large.length, true);
    nearEnd.send(large);
    nearEnd.close();
    await far.until(() => far.closes.length > 0);
    expect(far.messages[0]).toHaveLength(MESSAGE_SIZE_MAX);
    expect(far.closes).toMatchObject([{ code: 1000, isLocal: false }]);
    expect(near.closes).toMatchObject([{ code: 1000, isLocal: true }]);
    expect([nearEnd.isOpen, farEnd.isOpen]).toEqual([false, false]);
  });

  test('that breaks is told as such', async () => {
    const [, far] = both();
    client.resetAndDestroy();
    await far.until(() => far.closes.length > 0);
    expect(far.closes).toMatchObject([{ code: 1006, isLocal: false }]);
  });

  test('says when there is little to be sent again', async () => {
    const [, far, nearEnd] = both();
    accepted.pause();
    const large = new Uint8Array(MESSAGE_SIZE_MAX);
    new DataView(large.buffer).setUint32(0, large.length, true);
    for (let count = 0; count < 4; count++) nearEnd.send(large);
    expect(nearEnd.bufferedBytes).toBeGreaterThan(BUFFERED_BYTES_MAX);
    const drained = runAsync(whenDrained(nearEnd));
    accepted.resume();
    await drained;
    expect(nearEnd.bufferedBytes).toBeLessThanOrEqual(BUFFERED_BYTES_MAX);
    await far.until(() => far.messages.length === 4);
  });
});
