// poll_oneoff of WASI preview1: waits for clocks and descriptors at once, without burning time.
// WASI: preview1 witx, typenames $subscription, $event.

import { wasi } from '@bjorn3/browser_wasi_shim';
import { LinuxError, linuxerr } from '../abi/errno.ts';
import { SEEK_CUR } from '../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT } from '../abi/poll.ts';
import { S_IFMT, S_IFREG } from '../abi/stat.ts';
import type { Clock } from '../lib/clock.ts';
import { timespecToNs } from '../lib/clock.ts';
import type { Op } from '../lib/op.ts';
import type { WasiContext } from './context.ts';
import { wasiErrnoOf } from './errno.ts';

const SUBSCRIPTION_SIZE = 48;
const EVENT_SIZE = 32;
/** More subscriptions than a task has descriptors, with clocks: EINVAL above. */
const SUBSCRIPTIONS_MAX = 8192;

interface Subscription {
  readonly userdata: bigint;
  readonly type: number;
  readonly fd: number;
  /** Of a clock: milliseconds from now, not negative. */
  readonly timeoutMs: number;
  readonly isBadClock: boolean;
}

interface Event {
  readonly subscription: Subscription;
  readonly errno: number;
  readonly byteCount: number;
  readonly flags: number;
}

export function* pollOneoff(
  context: WasiContext,
  clock: Clock,
  call: {
    readonly input: number;
    readonly output: number;
    readonly count: number;
    readonly result: number;
  },
): Op<void> {
  const { memory } = context;
  const count = call.count >>> 0;
  if (count === 0 || count > SUBSCRIPTIONS_MAX) throw linuxerr.EINVAL;
  memory.checkReadable(call.input, count * SUBSCRIPTION_SIZE);
  memory.checkWritable(call.result, 4);
  memory.checkWritable(call.output, count * EVENT_SIZE);
  const subscriptions: Subscription[] = [];
  for (let index = 0; index < count; index++) {
    subscriptions.push(readSubscription(context, clock, call.input + index * SUBSCRIPTION_SIZE));
  }
  const events = yield* waitForEvents(context, clock, subscriptions);
  for (const [index, event] of events.entries()) {
    storeEvent(context, call.output + index * EVENT_SIZE, event);
  }
  memory.setU32(call.result, events.length);
}

function readSubscription(context: WasiContext, clock: Clock, at: number): Subscription {
  const { memory } = context;
  const userdata = memory.u64(at);
  const type = memory.u8(at + 8);
  if (type === wasi.EVENTTYPE_CLOCK) {
    const id = memory.u32(at + 16);
    const timeout = memory.u64(at + 24);
    const isAbsolute = (memory.u16(at + 40) & SUBCLOCKFLAGS_ABSTIME) !== 0;
    const isBadClock = id !== wasi.CLOCKID_REALTIME && id !== wasi.CLOCKID_MONOTONIC;
    const now = isAbsolute ? nowNs(clock, id) : 0n;
    const timeoutMs = timeout <= now ? 0 : Number(timeout - now) / 1e6;
    return { userdata, type, fd: -1, timeoutMs, isBadClock };
  }
  if (type !== wasi.EVENTTYPE_FD_READ && type !== wasi.EVENTTYPE_FD_WRITE) throw linuxerr.EINVAL;
  return { userdata, type, fd: memory.u32(at + 16), timeoutMs: Infinity, isBadClock: false };
}

const SUBCLOCKFLAGS_ABSTIME = wasi.SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME;

function nowNs(clock: Clock, id: number): bigint {
  if (id === wasi.CLOCKID_REALTIME) return timespecToNs(clock.now());
  return BigInt(Math.round(clock.monotonicMs() * 1e6));
}

function* waitForEvents(
  context: WasiContext,
  clock: Clock,
  subscriptions: readonly Subscription[],
): Op<Event[]> {
  const started = clock.monotonicMs();
  const clocks = subscriptions.filter(({ type }) => type === wasi.EVENTTYPE_CLOCK);
  const files = subscriptions.filter(({ type }) => type !== wasi.EVENTTYPE_CLOCK);
  const wrong = clocks.filter(({ isBadClock }) => isBadClock);
  const shortest = Math.min(...clocks.map(({ timeoutMs }) => timeoutMs), Infinity);
  const timeout = wrong.length > 0 ? 0 : shortest === Infinity ? -1 : shortest;
  const asked = files.map(({ fd, type }) => ({
    fd,
    events: type === wasi.EVENTTYPE_FD_READ ? POLLIN : POLLOUT,
  }));
  const revents = yield* context.sys.poll(asked, timeout);
  const events: Event[] = [];
  for (const [index, subscription] of files.entries()) {
    const bits = revents[index] ?? 0;
    if (bits !== 0) events.push(yield* fileEvent(context, subscription, bits));
  }
  const elapsed = clock.monotonicMs() - started;
  for (const subscription of clocks) {
    const isDue = subscription.timeoutMs <= elapsed || subscription.timeoutMs === timeout;
    if (subscription.isBadClock) {
      events.push({ subscription, errno: wasi.ERRNO_INVAL, byteCount: 0, flags: 0 });
    } else if (isDue && (events.length === 0 || subscription.timeoutMs <= elapsed)) {
      events.push({ subscription, errno: wasi.ERRNO_SUCCESS, byteCount: 0, flags: 0 });
    }
  }
  return events;
}

function* fileEvent(context: WasiContext, subscription: Subscription, bits: number): Op<Event> {
  if ((bits & POLLNVAL) !== 0) {
    return { subscription, errno: wasi.ERRNO_BADF, byteCount: 0, flags: 0 };
  }
  const flags = (bits & (POLLHUP | POLLERR)) !== 0 ? wasi.EVENTRWFLAGS_FD_READWRITE_HANGUP : 0;
  const isRead = subscription.type === wasi.EVENTTYPE_FD_READ;
  const byteCount = isRead ? yield* bytesLeft(context, subscription.fd) : 1;
  return { subscription, errno: wasi.ERRNO_SUCCESS, byteCount, flags };
}

/** Bytes between the offset and the end of a regular file; 1 for anything else that is ready. */
function* bytesLeft(context: WasiContext, fd: number): Op<number> {
  try {
    const { mode, size } = yield* context.sys.fstat(fd);
    if ((mode & S_IFMT) !== S_IFREG) return 1;
    return Math.max(0, size - (yield* context.sys.lseek(fd, 0, SEEK_CUR)));
  } catch (error) {
    if (error instanceof LinuxError) return wasiErrnoOf(error) === wasi.ERRNO_SPIPE ? 1 : 0;
    throw error;
  }
}

function storeEvent(context: WasiContext, at: number, event: Event): void {
  const { memory } = context;
  memory.setU64(at, event.subscription.userdata);
  memory.setU16(at + 8, event.errno);
  memory.setU8(at + 10, event.subscription.type);
  memory.setSize(at + 16, event.byteCount);
  memory.setU64(at + 24, BigInt(event.flags));
}
