// MessagePortTransport: what another side may say that isn't one of ours.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { MessagePortTransport } from '../../../src/transport/message-port.ts';
import { CLOSE_NOT_BINARY, CLOSE_TOO_LARGE } from '../../../src/transport/transport.ts';
import { Recorder } from './support.ts';

let transport: MessagePortTransport;
let other: MessagePort;
let recorder: Recorder;

beforeEach(() => {
  const { port1, port2 } = new MessageChannel();
  transport = new MessagePortTransport(port1, { messageSizeMax: 100 });
  recorder = new Recorder(transport);
  other = port2;
});

afterEach(() => {
  transport.close();
  other.close();
});

test.each([['text'], [null], [[1, 2]], [{ code: 'x', reason: '' }], [new Uint8Array(3)]])(
  'a message that is no ArrayBuffer closes the link: %j',
  async (message) => {
    other.postMessage(message);
    const { code, isLocal } = await recorder.closed();
    expect([code, isLocal]).toEqual([CLOSE_NOT_BINARY, true]);
    expect(recorder.messages).toEqual([]);
  },
);

test('a message that is too large closes the link', async () => {
  other.postMessage(new ArrayBuffer(101));
  expect((await recorder.closed()).code).toBe(CLOSE_TOO_LARGE);
  expect(recorder.messages).toEqual([]);
});

test.each([[-5], [1e300], [NaN], [Infinity], [-Infinity]])(
  'a receipt of %d bytes does not make the count wrong',
  async (receipt) => {
    transport.send(new Uint8Array(10));
    other.postMessage(receipt);
    other.postMessage(new ArrayBuffer(1));
    await recorder.received(1);
    expect(transport.bufferedBytes).toBe(0);
    expect(transport.isOpen).toBe(true);
  },
);

test('what the other side has not taken out waits', async () => {
  transport.send(new Uint8Array(10));
  transport.send(new Uint8Array(20));
  other.postMessage(10);
  other.postMessage(new ArrayBuffer(1));
  await recorder.received(1);
  expect(transport.bufferedBytes).toBe(20);
});
