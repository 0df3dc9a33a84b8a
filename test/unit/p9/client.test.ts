// The 9P client against a server that a test plays: tags, Tflush, msize, and what becomes of
// requests whose link breaks.

import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY, O_TRUNC } from '../../../src/abi/fcntl.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Interruption, type Op, runAsync, startOp, waitFor } from '../../../src/lib/op.ts';
import { WireWriter } from '../../../src/lib/wire-buffer.ts';
import { P9Client } from '../../../src/p9/client.ts';
import type { P9ClientOptions } from '../../../src/p9/client-options.ts';
import { decodeFrame, encodeError, encodeR, MSIZE_MAX } from '../../../src/p9/frame.ts';
import {
  type MessageName,
  messageOfType,
  messageRow,
  type RMessage,
  type TMessage,
} from '../../../src/p9/messages.ts';
import { LOCK_FLAGS_BLOCK, LOCK_TYPE_UNLCK, LOCK_TYPE_WRLCK } from '../../../src/p9/records.ts';
import { LoopbackLink } from '../../../src/transport/loopback.ts';
import type { Transport } from '../../../src/transport/transport.ts';
import { settle } from '../lisafs/raw-client.ts';

interface Asked {
  readonly name: MessageName;
  readonly tag: number;
  readonly values: { readonly msize?: number };
}

const QID = { type: 0x80, version: 0, path: 1n };
const ZERO_TIME = { sec: 0, nsec: 0 };
const ATTR = {
  mode: 0o40755,
  uid: 0,
  gid: 0,
  nlink: 2,
  rdev: 0,
  size: 0,
  blksize: 4096,
  blocks: 0,
  atime: ZERO_TIME,
  mtime: ZERO_TIME,
  ctime: ZERO_TIME,
  btime: ZERO_TIME,
  gen: 0n,
  dataVersion: 0n,
};

/** Begins sessions by itself; all else is the test's to answer. */
class PlayedServer {
  readonly clock = new FakeClock();
  readonly links: LoopbackLink[] = [];
  /** What came since a link was made, but for what begins a session. */
  asked: Asked[] = [];
  msize = 8192;
  attachError: typeof linuxerr.EACCES | undefined;
  /** What clients wanted of a message's size. */
  readonly msizes: number[] = [];
  #end: Transport | undefined;

  readonly connect = (): Promise<Transport> => {
    const link = new LoopbackLink({
      clock: this.clock,
      messageSizeMax: MSIZE_MAX,
      protocol: '9p2000.L',
      noticeMs: 0,
    });
    this.links.push(link);
    this.asked = [];
    this.#end = link.server;
    link.server.start({
      onMessage: (message) => {
        this.#take(message);
      },
      onClose: () => undefined,
    });
    return Promise.resolve(link.client);
  };

  #take(message: Uint8Array): void {
    const { type, tag, body } = decodeFrame(message, MSIZE_MAX);
    const { name } = messageOfType(type)!;
    const values = messageRow(name).T!.decode(body) as Asked['values'];
    if (name === 'version') {
      this.msizes.push(values.msize!);
      this.answer(tag, 'version', { msize: this.msize, version: '9P2000.L' });
    } else if (name === 'attach') {
      if (this.attachError === undefined) this.answer(tag, 'attach', { qid: QID });
      else this.refuse(tag, this.attachError);
    } else if (name === 'getattr') {
      this.answer(tag, 'getattr', { valid: 0x7ffn, qid: QID, attr: ATTR });
    } else this.asked.push({ name, tag, values });
  }

  answer<Name extends MessageName>(tag: number, name: Name, values: RMessage<Name>): void {
    this.#end!.send(encodeR(new WireWriter(), { tag, msize: MSIZE_MAX }, name, values));
  }

  refuse(tag: number, error: typeof linuxerr.EACCES): void {
    this.#end!.send(encodeError(new WireWriter(), { tag, msize: MSIZE_MAX }, error));
  }

  /** The link breaks, and both ends know. */
  async cut(): Promise<void> {
    this.links.at(-1)!.notice();
    await this.pass(1000);
  }

  async pass(ms: number): Promise<void> {
    for (let done = 0; done < ms; done += 500) {
      this.clock.advance(500);
      await settle();
    }
  }
}

const clients: { readonly client: P9Client; readonly server: PlayedServer }[] = [];

afterEach(async () => {
  for (const { client, server } of clients.splice(0)) {
    let isClosed = false;
    const closing = runAsync(client.close()).then(() => {
      isClosed = true;
    });
    for (let round = 0; !isClosed && round < 100; round++) {
      for (const { name, tag } of server.asked.splice(0)) {
        if (name === 'clunk') server.answer(tag, 'clunk', {});
      }
      await server.pass(1000);
    }
    await closing;
  }
});

async function connect(
  options: Partial<P9ClientOptions> = {},
  server = new PlayedServer(),
): Promise<{ client: P9Client; server: PlayedServer; root: number }> {
  const connecting = runAsync(
    P9Client.connect({
      connect: server.connect,
      clock: server.clock,
      timeoutMs: 30_000,
      aname: '/',
      versionMax: 0,
      msize: MSIZE_MAX,
      isAlone: true,
      random: () => 0,
      *onSessionLost() {},
      ...options,
    }),
  );
  await settle();
  const client = await connecting;
  clients.push({ client, server });
  return { client, server, root: client.root.fid };
}

/** How a call ends. */
function outcomeOf(op: Op<unknown>, interruption?: Interruption): Promise<unknown> {
  return runAsync(op, interruption).catch((error: unknown) => error);
}

const reading = (fid: number, offset = 0): TMessage<'read'> => ({ fid, offset, count: 10 });
const data = new Uint8Array([1, 2, 3]);

describe('tags', () => {
  test('each request under way has one of its own, and answers come in any order', async () => {
    const { client, server, root } = await connect();
    const outcomes = [0, 1, 2].map((at) => outcomeOf(client.call('read', reading(root, at))));
    await settle();
    const tags = server.asked.map(({ tag }) => tag);
    expect(new Set(tags).size).toBe(3);
    for (const index of [2, 0, 1]) {
      server.answer(tags[index]!, 'read', { data: new Uint8Array([index]) });
    }
    await settle();
    const results = await Promise.all(outcomes);
    expect(results).toEqual([0, 1, 2].map((index) => ({ data: new Uint8Array([index]) })));
  });

  test('an answer to what was not asked ends the link', async () => {
    const { client, server, root } = await connect();
    const outcome = outcomeOf(client.call('read', reading(root)));
    await settle();
    server.answer(server.asked[0]!.tag + 7, 'read', { data });
    await server.pass(1000);
    expect(server.links.length).toBe(2);
    // A read is asked again.
    server.answer(server.asked[0]!.tag, 'read', { data });
    await settle();
    expect(await outcome).toEqual({ data });
  });

  test('an answer of another kind is EIO, and ends the link', async () => {
    const { client, server, root } = await connect();
    const outcome = outcomeOf(client.call('read', reading(root)));
    await settle();
    server.answer(server.asked[0]!.tag, 'write', { count: 3 });
    await server.pass(1000);
    expect(await outcome).toBe(linuxerr.EIO);
    expect(server.links.length).toBe(2);
  });
});

describe('locks', () => {
  const lockOf = (fid: number, type: number, flags = 0): TMessage<'lock'> => ({
    ...{ fid, type, flags, start: 0, length: 0, procId: 1, clientId: 'a' },
  });

  test('are set in order, after what was changed under them', async () => {
    const { client, server, root } = await connect();
    const next = async (): Promise<Asked> => {
      await settle();
      expect(server.asked.length).toBe(1);
      return server.asked.shift()!;
    };
    const outcomes = [
      outcomeOf(client.call('write', { fid: root, offset: 0, data })),
      outcomeOf(client.call('lock', lockOf(root, LOCK_TYPE_UNLCK))),
      outcomeOf(client.call('lock', lockOf(root, LOCK_TYPE_WRLCK))),
    ];
    server.answer((await next()).tag, 'write', { count: 3 });
    const unlock = await next();
    expect(unlock.values).toMatchObject({ type: LOCK_TYPE_UNLCK });
    server.answer(unlock.tag, 'lock', { status: 0 });
    server.answer((await next()).tag, 'lock', { status: 1 });
    expect(await Promise.all(outcomes)).toEqual([{ count: 3 }, { status: 0 }, { status: 1 }]);
  });

  test('that are waited for keep nothing else waiting, and may be given up', async () => {
    const { client, server, root } = await connect();
    const waiting = client.send('lock', lockOf(root, LOCK_TYPE_WRLCK, LOCK_FLAGS_BLOCK));
    const outcomes = [
      outcomeOf(client.call('fsync', { fid: root, datasync: 0 })),
      outcomeOf(client.call('mkdir', { dfid: root, name: 'd', mode: 0o755, gid: 0 })),
      outcomeOf(client.call('lock', lockOf(root, LOCK_TYPE_UNLCK))),
    ];
    await settle();
    const [lock, fsync] = server.asked.splice(0, 2);
    expect([lock?.name, fsync?.name]).toEqual(['lock', 'fsync']);
    server.answer(fsync!.tag, 'fsync', {});
    await settle();
    for (const { name, tag } of server.asked.splice(0)) {
      if (name === 'mkdir') server.answer(tag, 'mkdir', { qid: QID });
      else server.answer(tag, 'lock', { status: 0 });
    }
    expect(await Promise.all(outcomes)).toEqual([{}, { qid: QID }, { status: 0 }]);
    client.cancel(waiting);
    client.cancel(waiting);
    await settle();
    const [flush, ...others] = server.asked;
    expect([flush?.name, flush?.values, others]).toEqual(['flush', { oldtag: lock!.tag }, []]);
    server.answer(flush!.tag, 'flush', {});
    expect(await outcomeOf(waiting.wait())).toBe(linuxerr.EINTR);
  });

  test('of a link that broke nobody knows; who has given up is told at once', async () => {
    const { client, server, root } = await connect({
      *onSessionLost() {
        yield* waitFor(new Promise<void>(() => undefined));
      },
    });
    const [kept, cancelled] = [1, 2].map(() =>
      client.send('lock', lockOf(root, LOCK_TYPE_WRLCK, LOCK_FLAGS_BLOCK)),
    );
    await settle();
    client.cancel(cancelled!);
    await server.cut();
    expect([kept!.isSettled, cancelled!.isSettled]).toEqual([false, true]);
    client.abort();
    expect(await outcomeOf(kept!.wait())).toBe(linuxerr.EIO);
  });
});

describe('Tflush', () => {
  async function interrupted(): Promise<
    Awaited<ReturnType<typeof connect>> & { tag: number; outcome: Promise<unknown> }
  > {
    const started = await connect();
    const { client, server, root } = started;
    let interrupt: (reason: Error) => void = () => undefined;
    const interruption: Interruption = {
      subscribe: (onInterrupt) => {
        interrupt = onInterrupt;
        return () => undefined;
      },
    };
    const outcome = outcomeOf(client.call('read', reading(root)), interruption);
    await settle();
    interrupt(linuxerr.EINTR);
    await settle();
    const [read, flush] = server.asked;
    expect([read?.name, flush?.name, flush?.values]).toEqual([
      'read',
      'flush',
      { oldtag: read!.tag },
    ]);
    return { ...started, tag: read!.tag, outcome };
  }

  test('of a read that is waited for no more: its tag is used again after Rflush', async () => {
    const { client, server, root, tag, outcome } = await interrupted();
    expect(await outcome).toBe(linuxerr.EINTR);
    const flushTag = server.asked[1]!.tag;
    const before = outcomeOf(client.call('read', reading(root, 1)));
    await settle();
    expect([tag, flushTag]).not.toContain(server.asked[2]!.tag);
    server.answer(flushTag, 'flush', {});
    server.answer(server.asked[2]!.tag, 'read', { data });
    await settle();
    expect(await before).toEqual({ data });
    expect(client.status.state).toBe('connected');
  });

  test('an answer that comes before Rflush is one', async () => {
    const { client, server, tag } = await interrupted();
    server.answer(tag, 'read', { data });
    server.answer(server.asked[1]!.tag, 'flush', {});
    await settle();
    expect(client.status.state).toBe('connected');
    expect(server.links.length).toBe(1);
  });
});

describe('msize', () => {
  test('the server’s, if it is less; payloads are whole multiples of 512', async () => {
    const { client, server } = await connect({ msize: 65_536 });
    expect(server.msizes).toEqual([65_536]);
    expect(client.payloadMax).toBeLessThan(8192);
    expect(client.payloadMax % 512).toBe(0);
  });

  test('one that is larger than asked for is not believed', async () => {
    const server = new PlayedServer();
    server.msize = 1 << 24;
    const { client } = await connect({ msize: 16_384 }, server);
    expect(client.payloadMax).toBeLessThan(16_384);
  });

  test('one in which nothing fits is no server', async () => {
    const server = new PlayedServer();
    server.msize = 100;
    const outcome = outcomeOf(
      P9Client.connect({
        connect: server.connect,
        clock: server.clock,
        timeoutMs: 1000,
        aname: '/',
        versionMax: 0,
        msize: MSIZE_MAX,
        isAlone: true,
        *onSessionLost() {},
      }),
    );
    await server.pass(5000);
    expect(await outcome).toBe(linuxerr.EIO);
  });
});

describe('a link that breaks while requests are under way', () => {
  const changes = {
    write: { fid: 0, offset: 5, data },
    setattr: { fid: 0, valid: 8, size: 3 },
    lopen: { fid: 0, flags: O_TRUNC },
  } as const;

  async function cutWith(
    name: MessageName,
    values: Readonly<Record<string, unknown>>,
    isAlone: boolean,
  ): Promise<{ server: PlayedServer; outcome: Promise<unknown> }> {
    const { client, server, root } = await connect({ isAlone });
    const all = { ...blank(name), ...values, fid: root };
    const outcome = outcomeOf(client.call(name, all));
    await settle();
    expect(server.asked.map((each) => each.name)).toEqual([name]);
    await server.cut();
    return { server, outcome };
  }

  /** Fields that don't matter. */
  function blank(name: MessageName): Readonly<Record<string, unknown>> {
    if (name !== 'setattr') return {};
    const { mode, uid, gid, atime, mtime } = ATTR;
    return { mode, uid, gid, size: 0, atime, mtime };
  }

  test.each(Object.entries(changes))('%s is done again by who is alone', async (name, values) => {
    const { server, outcome } = await cutWith(name as MessageName, values, true);
    expect(server.asked.map((each) => each.name)).toEqual([name]);
    const answers = { write: { count: 3 }, setattr: {}, lopen: { qid: QID, iounit: 0 } };
    const answer = answers[name as keyof typeof answers];
    server.answer(server.asked[0]!.tag, name as 'write', answer as never);
    await settle();
    expect(await outcome).toMatchObject(answer);
  });

  test.each(Object.entries(changes))(
    '%s fails where others change things, too: theirs would be undone',
    async (name, values) => {
      const { server, outcome } = await cutWith(name as MessageName, values, false);
      expect(await outcome).toBe(linuxerr.EIO);
      expect(server.asked).toEqual([]);
    },
  );

  test.each([true, false])('what only looks is asked again (alone: %s)', async (isAlone) => {
    const { server, outcome } = await cutWith('lopen', { flags: O_RDONLY }, isAlone);
    expect(server.asked.map((each) => each.name)).toEqual(['lopen']);
    server.answer(server.asked[0]!.tag, 'lopen', { qid: QID, iounit: 0 });
    await settle();
    expect(await outcome).toMatchObject({ iounit: 0 });
  });

  test.each([true, false])('a name that was being made is not made twice', async (isAlone) => {
    const { client, server, root } = await connect({ isAlone });
    const making = { dfid: root, name: 'made', mode: 0o755, gid: 0 };
    const outcome = outcomeOf(client.call('mkdir', making));
    await settle();
    await server.cut();
    expect(await outcome).toBe(linuxerr.EIO);
    expect(server.asked).toEqual([]);
  });

  test('what wasn’t sent yet waits for the next link', async () => {
    const { client, server, root } = await connect({ isAlone: false });
    server.links.at(-1)!.notice();
    const outcome = outcomeOf(client.call('write', { fid: root, offset: 0, data }));
    await server.pass(1000);
    expect(server.asked.map(({ name }) => name)).toEqual(['write']);
    server.answer(server.asked[0]!.tag, 'write', { count: 3 });
    await settle();
    expect(await outcome).toEqual({ count: 3 });
  });
});

test('errors are the server’s, of whatever is asked', async () => {
  const { client, server, root } = await connect();
  const asked: [MessageName, Readonly<Record<string, unknown>>][] = [
    ['read', reading(root)],
    ['walk', { fid: root, newfid: 99, names: ['x'] }],
    ['unlinkat', { dfid: root, name: 'x', flags: 0 }],
    ['statfs', { fid: root }],
  ];
  for (const [name, values] of asked) {
    const outcome = outcomeOf(client.call(name, values as never));
    await settle();
    server.refuse(server.asked.pop()!.tag, linuxerr.ENOTDIR);
    await settle();
    expect([name, await outcome]).toEqual([name, linuxerr.ENOTDIR]);
  }
});

test('who may not attach is told so at once', async () => {
  const server = new PlayedServer();
  server.attachError = linuxerr.EACCES;
  const errors: unknown[] = [];
  startOp(
    P9Client.connect({
      connect: server.connect,
      clock: server.clock,
      timeoutMs: 30_000,
      aname: '/secret',
      versionMax: 0,
      msize: MSIZE_MAX,
      isAlone: true,
      *onSessionLost() {},
    }),
    { resolve: () => errors.push('connected'), reject: (error) => errors.push(error) },
  );
  await server.pass(2000);
  expect(errors).toEqual([linuxerr.EACCES]);
});
