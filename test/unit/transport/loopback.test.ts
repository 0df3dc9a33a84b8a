// Loopback: delay, bandwidth and death, at the very millisecond.

import { expect, test } from 'vitest';
import { FakeClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { LoopbackLink, type LoopbackOptions } from '../../../src/transport/loopback.ts';
import {
  BUFFERED_BYTES_MAX,
  CLOSE_ABNORMAL,
  whenDrained,
} from '../../../src/transport/transport.ts';
import { Recorder, SIZE_MAX } from './support.ts';

function makeLink(options: Partial<LoopbackOptions> = {}) {
  const clock = new FakeClock();
  const link = new LoopbackLink({ clock, messageSizeMax: SIZE_MAX, ...options });
  const atClient = new Recorder(link.client);
  const atServer = new Recorder(link.server);
  return { clock, link, atClient, atServer };
}

/** Lets microtasks happen, and no timer. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

async function pass(clock: FakeClock, ms: number): Promise<void> {
  await settle();
  clock.advance(ms);
  await settle();
}

test('without a delay a message needs no time', async () => {
  const { link, atServer } = makeLink();
  link.client.send(new Uint8Array(3));
  await settle();
  expect(atServer.messages).toHaveLength(1);
});

test('a message takes the delay, however many are on the way', async () => {
  const { clock, link, atServer, atClient } = makeLink({ delayMs: 50 });
  link.client.send(new Uint8Array(1));
  await pass(clock, 20);
  link.client.send(new Uint8Array(2));
  link.server.send(new Uint8Array(3));
  await pass(clock, 29);
  expect(atServer.messages).toHaveLength(0);
  await pass(clock, 1);
  expect(atServer.messages.map(({ length }) => length)).toEqual([1]);
  await pass(clock, 20);
  expect(atServer.messages.map(({ length }) => length)).toEqual([1, 2]);
  expect(atClient.messages.map(({ length }) => length)).toEqual([3]);
});

test('bandwidth: a message departs when those before it have, each way by itself', async () => {
  const { clock, link, atServer, atClient } = makeLink({ delayMs: 5, bytesPerSecond: 1000 });
  link.client.send(new Uint8Array(100));
  link.client.send(new Uint8Array(50));
  link.server.send(new Uint8Array(10));
  expect(link.client.bufferedBytes).toBe(150);
  await pass(clock, 15);
  expect(atClient.messages).toHaveLength(1);
  await pass(clock, 85);
  expect(link.client.bufferedBytes).toBe(50);
  expect(atServer.messages).toHaveLength(0);
  await pass(clock, 5);
  expect(atServer.messages).toHaveLength(1);
  await pass(clock, 45);
  expect(link.client.bufferedBytes).toBe(0);
  await pass(clock, 5);
  expect(atServer.messages).toHaveLength(2);
});

test('drained is when enough has departed, not when it has arrived', async () => {
  const { clock, link, atServer } = makeLink({ delayMs: 1000, bytesPerSecond: 1 << 20 });
  link.client.send(new Uint8Array(1 << 20));
  link.client.send(new Uint8Array(1 << 20));
  let isDrained = false;
  void runAsync(whenDrained(link.client)).then(() => {
    isDrained = true;
  });
  await pass(clock, 999);
  expect(isDrained).toBe(false);
  await pass(clock, 1);
  expect(isDrained).toBe(true);
  expect(link.client.bufferedBytes).toBe(BUFFERED_BYTES_MAX);
  expect(atServer.messages).toHaveLength(0);
});

test('a link that dies loses what is on its way, and the ends are told later', async () => {
  const { clock, link, atServer, atClient } = makeLink({
    delayMs: 10,
    noticeMs: 1000,
    isLost: ({ direction, index }) => direction === 'to server' && index === 2,
  });
  for (const length of [1, 2, 3, 4]) link.client.send(new Uint8Array(length));
  link.server.send(new Uint8Array(9));
  await pass(clock, 10);
  expect(link.isDead).toBe(true);
  expect(atServer.messages.map(({ length }) => length)).toEqual([1, 2]);
  // Nobody knows yet.
  link.server.send(new Uint8Array(8));
  expect(link.server.isOpen).toBe(true);
  await pass(clock, 999);
  expect(atServer.closes).toEqual([]);
  await pass(clock, 1);
  const broke = { code: CLOSE_ABNORMAL, reason: 'the link broke', isLocal: false };
  expect(atServer.closes).toEqual([broke]);
  expect(atClient.closes).toEqual([broke]);
  expect(atClient.messages).toHaveLength(0);
});

test('what is sent on a dead link stays where it is', async () => {
  const { clock, link, atServer } = makeLink({ delayMs: 10, bytesPerSecond: 1 });
  link.client.send(new Uint8Array(5));
  link.die();
  link.client.send(new Uint8Array(6));
  await pass(clock, 1e6);
  expect(link.client.bufferedBytes).toBe(11);
  expect(atServer.messages).toHaveLength(0);
  link.client.close();
  await pass(clock, 1e6);
  expect(atServer.closes).toHaveLength(0);
  link.notice();
  await settle();
  expect(atServer.closes).toHaveLength(1);
});

test('the close arrives after what was sent before it', async () => {
  const { clock, link, atServer } = makeLink({ delayMs: 10, bytesPerSecond: 1000 });
  link.client.send(new Uint8Array(100));
  link.client.close(3001, 'bye');
  await pass(clock, 109);
  expect(atServer.messages).toHaveLength(0);
  expect(link.server.isOpen).toBe(true);
  await pass(clock, 1);
  expect(atServer.messages).toHaveLength(1);
  expect(atServer.closes).toEqual([{ code: 3001, reason: 'bye', isLocal: false }]);
});
