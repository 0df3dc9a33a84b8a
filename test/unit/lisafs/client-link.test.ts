// The client with a server that does what a test says: links that break, fall silent or lead to
// something else than a server.

import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { RealClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { Backoff, jitterFrom } from '../../../src/link/backoff.ts';
import { KEPT_REPLIES_BYTES_MAX } from '../../../src/lisafs/extensions.ts';
import type { MessageName } from '../../../src/lisafs/messages.ts';
import { ConnectError } from '../../../src/transport/web-socket.ts';
import { Network, ScriptedServer, STATX, withoutSession, withSession } from './client-fixture.ts';
import { settle } from './raw-client.ts';

type Answers = ScriptedServer['answers'];

async function start(answers: Answers, more: Parameters<Network['client']>[0] = {}) {
  const server = new ScriptedServer(answers);
  const network = new Network({}, server);
  const client = await network.client(more);
  server.asked.length = 0;
  return { server, network, client };
}

const stat: Answers = {
  FStat: (asked, end) => {
    end.answer(asked, 'FStat', { statx: STATX });
  },
};

function tagsOf({ asked }: ScriptedServer, name: MessageName): number[] {
  return asked.filter((one) => one.name === name).map(({ tag }) => tag);
}

const LOCK = { fd: 1, owner: 1, start: 0, length: 0, pid: 1, kind: 0, type: 1, wait: true };

test('without sessions there is one request at a time', async () => {
  const { server, network, client } = await start(withoutSession());
  const replies = [1, 2, 3].map((fd) => client.send('FStat', { fd }));
  for (let count = 1; count <= 3; count++) {
    await settle();
    expect(server.names()).toHaveLength(count);
    server.end.answer(server.asked.at(-1)!, 'FStat', { statx: STATX });
  }
  await settle();
  expect(replies.map(({ isSettled }) => isSettled)).toEqual([true, true, true]);
  expect(server.asked.map(({ values }) => values['fd'])).toEqual([1, 2, 3]);
  // Nothing could give up one that waits.
  await expect(network.run(client.call('SetLock', LOCK))).rejects.toBe(linuxerr.EOPNOTSUPP);
});

test('a server that closes the link when it gets Session is asked without', async () => {
  const answers: Answers = {
    ...withoutSession(),
    ...stat,
    Session: (_asked, end) => {
      end.transport.close(4002, 'what is that?');
    },
  };
  const { network, client } = await start(answers);
  expect(network.attempts).toBe(2);
  await network.run(client.call('FStat', { fd: 1 }));
});

test('without sessions all FDs are lost with the link', async () => {
  let lostCount = 0;
  const { server, network, client } = await start(withoutSession(), {
    *onSessionLost() {
      lostCount++;
    },
  });
  let fd = 1;
  const safe = client.send('FStat', () => ({ fd }));
  const queued = client.send('MkdirAt', { dirFD: 1, uid: 0, gid: 0, mode: 0, name: 'a' });
  await settle();
  network.link.notice();
  fd = 2;
  await network.pass(200);
  expect(lostCount).toBe(1);
  expect(server.asked.at(-1)).toMatchObject({ name: 'FStat', values: { fd: 2 } });
  server.end.answer(server.asked.at(-1)!, 'FStat', { statx: STATX });
  await settle();
  expect(safe.isSettled).toBe(true);
  expect(server.asked.at(-1)).toMatchObject({ name: 'MkdirAt' });
  network.link.notice();
  await expect(network.run(queued.wait())).rejects.toBe(linuxerr.EIO);
});

test('what keeps the first connection from being made is told at once', async () => {
  const network = new Network();
  for (const error of [linuxerr.EACCES, linuxerr.ECONNREFUSED]) {
    network.refusal = error;
    await expect(network.client()).rejects.toBe(error);
    expect(network.statuses.at(-1)).toMatchObject({ state: 'closed', reason: error.meaning });
  }
  network.refusal = new ConnectError(linuxerr.ETIMEDOUT, 'ws://x did not answer');
  await expect(network.client()).rejects.toBe(linuxerr.ETIMEDOUT);
  expect(network.statuses.at(-1)?.reason).toBe('ws://x did not answer');
  expect(network.attempts).toBe(3);
  const silent = new Network({}, new ScriptedServer({}));
  await expect(silent.client()).rejects.toBe(linuxerr.ETIMEDOUT);
  expect(silent.statuses.at(-1)?.reason).toBe('the server does not answer');
  const never = new Promise<never>(() => undefined);
  await expect(network.client({ connect: () => never })).rejects.toBe(linuxerr.ETIMEDOUT);
});

test('a server with too many clients says so', async () => {
  const network = new Network({ server: { sessionsMax: 0 } });
  await expect(network.client()).rejects.toBe(linuxerr.EMFILE);
  expect(network.statuses.at(-1)?.reason).toContain('too many clients');
});

test('requests under way are limited, and Ping has its place', async () => {
  const { server, network, client } = await start(withSession(4));
  for (let fd = 1; fd <= 6; fd++) client.send('FStat', { fd });
  await settle();
  expect(server.names()).toEqual(['FStat', 'FStat', 'FStat']);
  await network.pass(15_000, 1000);
  expect(server.names().at(-1)).toBe('Ping');
  server.end.answer(server.asked[1]!, 'FStat', { statx: STATX });
  await settle();
  expect(server.asked.at(-1)).toMatchObject({ name: 'FStat', values: { fd: 4 } });
});

test('locks that wait leave room for others, and can be given up', async () => {
  const { server, network, client } = await start(withSession(6));
  const locks = [1, 2, 3, 4].map((fd) => client.send('SetLock', { ...LOCK, fd }));
  client.send('FStat', { fd: 1 });
  await settle();
  expect(server.names()).toEqual(['SetLock', 'SetLock', 'FStat']);
  client.cancelLock(locks[3]!);
  await expect(network.run(locks[3]!.wait())).rejects.toBe(linuxerr.EINTR);
  client.cancelLock(locks[0]!);
  await settle();
  const [first] = tagsOf(server, 'SetLock');
  expect(server.asked.at(-1)).toMatchObject({ name: 'CancelLock', values: { tag: first } });
  server.end.refuse(server.asked[0]!, linuxerr.EINTR);
  await settle();
  expect(server.asked.at(-1)).toMatchObject({ name: 'SetLock', values: { fd: 3 } });
  const count = server.asked.length;
  client.cancelLock(locks[0]!);
  await settle();
  expect(server.asked).toHaveLength(count);
});

test('what is awaited is sent again with its tag, and in order', async () => {
  const { server, network, client } = await start(withSession());
  const replies = [1, 2, 3].map((fd) => client.send('FStat', { fd }));
  await settle();
  server.end.answer(server.asked[1]!, 'FStat', { statx: STATX });
  await settle();
  const [first, , third] = tagsOf(server, 'FStat');
  network.link.notice();
  server.asked.length = 0;
  client.send('FStat', { fd: 4 });
  await network.pass(100);
  expect(server.asked[0]?.values).toMatchObject({ lastTag: third, awaited: [first, third] });
  expect(tagsOf(server, 'FStat')).toEqual([first, third, third! + 1]);
  for (const asked of server.asked.slice(1)) server.end.answer(asked, 'FStat', { statx: STATX });
  await settle();
  expect(replies.map(({ isSettled }) => isSettled)).toEqual([true, true, true]);
});

test('the server is told what has come, after many replies and when nothing happens', async () => {
  const mkdir = { dirFD: 1, uid: 0, gid: 0, mode: 0, name: 'a' };
  const answers: Answers = {
    ...withSession(),
    ...stat,
    MkdirAt: (asked, end) => {
      end.answer(asked, 'MkdirAt', { childDir: { controlFD: 2, statx: STATX } });
    },
  };
  const { server, network, client } = await start(answers);
  await network.pass(1000);
  // Mount's.
  expect(tagsOf(server, 'Ack')).toHaveLength(1);
  for (let count = 0; count < 130; count++) client.send('MkdirAt', mkdir);
  await settle();
  expect(tagsOf(server, 'Ack')).toHaveLength(3);
  await network.pass(1000);
  expect(tagsOf(server, 'Ack')).toHaveLength(4);
  const { lastTag, awaited } = server.asked.at(-1)!.values;
  expect(awaited).toEqual([]);
  expect(lastTag).toBe(server.asked.at(-1)!.tag);
  // What the server doesn't keep isn't told.
  for (let count = 0; count < 130; count++) client.send('FStat', { fd: 1 });
  await network.pass(2000);
  expect(tagsOf(server, 'Ack')).toHaveLength(4);
});

test('a server is not asked for more than it would keep', async () => {
  const { server, client } = await start(withSession(100));
  const maxBytes = 1 << 20;
  for (let count = 0; count < 9; count++) client.send('OpenReadAt', { fd: 1, flags: 0, maxBytes });
  await settle();
  const isFew = tagsOf(server, 'OpenReadAt').length * maxBytes < KEPT_REPLIES_BYTES_MAX;
  expect(isFew).toBe(true);
  const data = new Uint8Array(maxBytes);
  const values = { openFD: 2, statx: STATX, isWhole: true, data };
  for (let index = 0; index < server.asked.length; index++) {
    const asked = server.asked[index]!;
    if (asked.name === 'OpenReadAt') server.end.answer(asked, 'OpenReadAt', values);
    await settle();
  }
  expect(tagsOf(server, 'OpenReadAt')).toHaveLength(9);
});

test('calls wait for a link, and then fail until there is one', async () => {
  const { network, client } = await start({ ...withSession(), ...stat }, { timeoutMs: 5000 });
  network.refusal = new ConnectError(linuxerr.ECONNREFUSED, 'nobody listens');
  network.link.notice();
  await settle();
  const reply = client.send('FStat', { fd: 1 });
  await network.pass(4990, 10);
  expect(reply.isSettled).toBe(false);
  expect(client.status).toMatchObject({ state: 'reconnecting', reason: 'nobody listens' });
  await network.pass(10);
  await expect(network.run(reply.wait())).rejects.toBe(linuxerr.EIO);
  expect(client.status).toMatchObject({ state: 'failed', reason: 'nobody listens' });
  expect(client.send('FStat', { fd: 1 }).isSettled).toBe(true);
  await network.pass(60_000, 100);
  const { attempts } = network;
  await network.pass(60_000, 1000);
  expect(network.attempts - attempts).toBeLessThanOrEqual(2);
  network.refusal = undefined;
  await network.pass(30_000, 1000);
  expect(client.status).toMatchObject({ state: 'connected', reason: undefined });
  await network.run(client.call('FStat', { fd: 1 }));
});

test('who is tired of waiting can have it tried again', async () => {
  const { network, client } = await start({ ...withSession(), ...stat }, { timeoutMs: 1000 });
  network.refusal = linuxerr.ECONNREFUSED;
  network.link.notice();
  await network.pass(1000, 100);
  expect(client.status.state).toBe('failed');
  client.reconnectNow();
  await settle();
  expect(client.status.state).toBe('reconnecting');
  network.refusal = undefined;
  await network.run(client.call('FStat', { fd: 1 }), 1000);
  expect(client.status.state).toBe('connected');
  client.reconnectNow();
  expect(client.status.state).toBe('connected');
});

test('a token that is refused is not tried again, but by hand', async () => {
  const { network, client } = await start({ ...withSession(), ...stat });
  network.refusal = linuxerr.EACCES;
  network.link.notice();
  await settle();
  const reply = client.send('FStat', { fd: 1 });
  await network.pass(200);
  await expect(network.run(reply.wait())).rejects.toBe(linuxerr.EIO);
  expect(client.status).toMatchObject({ state: 'failed', reason: linuxerr.EACCES.meaning });
  const { attempts } = network;
  await network.pass(200_000, 10_000);
  expect(network.attempts).toBe(attempts);
  network.refusal = undefined;
  client.reconnectNow();
  await network.run(client.call('FStat', { fd: 1 }));
});

test('a lock that waited is given up, and answers to nobody are ignored', async () => {
  const { server, network, client } = await start(withSession(), { timeoutMs: 1000 });
  const replies = [client.send('SetLock', LOCK), client.send('FStat', { fd: 1 })];
  await settle();
  const [lock, other] = server.asked;
  network.refusal = linuxerr.ECONNREFUSED;
  network.link.notice();
  await network.pass(1000, 100);
  expect(replies.map(({ isSettled }) => isSettled)).toEqual([true, true]);
  network.refusal = undefined;
  server.asked.length = 0;
  await network.pass(30_000, 1000);
  expect(server.names()).toEqual(['Session', 'CancelLock']);
  expect(server.asked[1]?.values['tag']).toBe(lock!.tag);
  expect(server.asked[0]?.values['awaited']).toEqual([]);
  server.end.answer(other!, 'FStat', { statx: STATX });
  server.end.refuse(lock!, linuxerr.EINTR);
  await settle();
  expect(client.status.state).toBe('connected');
});

const garbage: Record<string, (server: ScriptedServer) => void> = {
  'no frame': ({ end }) => {
    end.transport.send(new Uint8Array(3));
  },
  'more than it was asked for': ({ end }) => {
    end.answer({ mid: 0, tag: 12_345, payload: new Uint8Array(0) }, 'Ping', {});
  },
  'another answer': ({ end, asked }) => {
    end.answer(asked[0]!, 'Ping', {});
  },
  'half an answer': ({ end, asked }) => {
    const frame = Uint8Array.from([4, 0, 0, 0, 3, 0, 0, 0, asked[0]!.tag, ...new Uint8Array(11)]);
    end.transport.send(frame);
  },
  'a request': ({ end }) => {
    end.answer({ mid: 0, tag: 0, payload: new Uint8Array(0) }, 'Ping', {});
  },
};

test.each(Object.entries(garbage))('a server that sends %s is left', async (_title, send) => {
  const { server, network, client } = await start(withSession());
  const reply = client.send('FStat', { fd: 1 });
  await settle();
  const { end } = server;
  send(server);
  await settle();
  expect(client.status.state).toBe('reconnecting');
  expect(client.status.reason).toMatch(/^the server (sent|answered|pushed)/);
  expect(end.closed).toMatch(/^the server/);
  await network.pass(200);
  expect(client.status.state).toBe('connected');
  if (reply.isSettled) await expect(network.run(reply.wait())).rejects.toBe(linuxerr.EIO);
  else expect(server.names().at(-1)).toBe('FStat');
});

test('a bug of the server is an i/o error', async () => {
  const { network, client } = await start({
    ...withSession(),
    FStat: (asked, end) => {
      end.refuse(asked, linuxerr.EREMOTEIO);
    },
  });
  await expect(network.run(client.call('FStat', { fd: 1 }))).rejects.toBe(linuxerr.EIO);
});

test('what is pushed comes in order with answers', async () => {
  const order: unknown[] = [];
  const { server, network, client } = await start(withSession(), {
    onPush: (name, _values) => order.push(name),
  });
  const reply = client.send('FStat', { fd: 1 });
  reply.onSettled(() => order.push('answered'));
  void runAsync(reply.wait()).then(() => order.push('resumed'));
  await settle();
  server.end.push('Event', { events: [] });
  server.end.answer(server.asked[0]!, 'FStat', { statx: STATX });
  server.end.push('Invalidate', { files: [] });
  server.end.push('Overflow', {});
  await settle();
  expect(order).toEqual(['Event', 'answered', 'Invalidate', 'Overflow', 'resumed']);
  server.end.push('Drain', { graceMs: 1000 });
  await settle();
  expect(order.at(-1)).toBe('Drain');
  network.link.notice();
  await network.pass(100);
  expect(client.status.state).toBe('connected');
});

test('a link that is silent is asked, and left if it stays silent', async () => {
  const { server, network, client } = await start({ ...withSession(), ...stat });
  await network.pass(29_000, 1000);
  expect(tagsOf(server, 'Ping')).toHaveLength(0);
  await network.pass(2000, 1000);
  expect(tagsOf(server, 'Ping')).toHaveLength(1);
  expect(client.status).toMatchObject({ state: 'connected', latencyMs: 0 });
  network.link.die();
  await network.pass(28_000, 1000);
  expect(client.status.state).toBe('connected');
  const reply = client.send('FStat', { fd: 1 });
  await network.pass(10_000, 1000);
  expect(client.status.state).toBe('connected');
  await network.pass(2000, 1000);
  const reasons = network.statuses.map(({ reason }) => reason);
  expect(reasons).toContain('the server does not answer any more');
  await network.run(reply.wait());
});

test('something that is awaited has a silent link asked sooner', async () => {
  const { server, network, client } = await start(withSession());
  await network.pass(10_000, 1000);
  client.send('FStat', { fd: 1 });
  await network.pass(14_000, 1000);
  expect(tagsOf(server, 'Ping')).toHaveLength(0);
  await network.pass(1000);
  expect(tagsOf(server, 'Ping')).toHaveLength(1);
});

test('a link that is only slow is given the time it takes', async () => {
  const network = new Network({ link: { bytesPerSecond: 10_000 } });
  const client = await network.client({ timeoutMs: 1_000_000 });
  const { fd } = client.root;
  const file = { dirFD: fd, uid: 0, gid: 0, mode: 0o644, flags: 2, name: 'file' };
  const { newFD } = await network.run(client.call('OpenCreateAt', file));
  // Most of two minutes there, and long for the way back.
  const data = new Uint8Array(50_000).fill(7);
  const writes = Array.from({ length: 20 }, (_, index) =>
    client.send('PWrite', { fd: newFD, offset: index * data.length, data }),
  );
  await network.pass(110_000, 1000);
  expect(writes.every(({ isSettled }) => isSettled)).toBe(true);
  expect(network.links).toHaveLength(1);
  const read = client.send('PRead', { fd: newFD, offset: 0, count: 200_000 });
  await network.pass(200_000, 1000);
  expect(read.isSettled).toBe(true);
  await network.pass(1000);
  await network.end(client);
});

test('latency is that of round trips, smoothed', async () => {
  const network = new Network({ link: { delayMs: 40 } });
  const client = await network.client();
  expect(client.status.latencyMs).toBe(80);
  await network.pass(40_000, 10);
  expect(client.status.latencyMs).toBe(80);
  client.measure();
  await network.pass(100, 10);
  expect(client.status.latencyMs).toBe(80);
  await network.end(client);
});

test('attempts are further and further apart, and not at the same time', () => {
  const delays = (random: () => number): number[] => {
    const backoff = new Backoff(random);
    return Array.from({ length: 9 }, () => backoff.next());
  };
  expect(delays(() => 0)).toEqual(Array(9).fill(100));
  const longest = [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000];
  expect(delays(() => 1)).toEqual(longest);
  const random = jitterFrom(new RealClock());
  const numbers = Array.from({ length: 1000 }, random);
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  expect(new Set(numbers.map((number) => Math.floor(10 * number))).size).toBe(10);
});
