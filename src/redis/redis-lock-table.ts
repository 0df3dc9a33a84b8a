// RedisLockTable: the locks of all servers of the same files, in Redis. README.md says what it
// guarantees, and what becomes of locks while Redis, or a server, is away.

import { createHash } from 'node:crypto';
import { linuxerr } from '../abi/errno.ts';
import { F_UNLCK } from '../abi/fcntl.ts';
import { assert, assertDefined } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { type Op, waitFor, WaitQueue } from '../lib/op.ts';
import type {
  FoundLock,
  LockKind,
  LockOwnerId,
  LockRequest,
  LockTable,
} from '../locks/lock-table.ts';
import { LOCK_SCRIPT } from './lock-script.ts';
import { type RedisLink, type RedisLog, RedisUnreachable } from './redis-link.ts';

const SCRIPT = {
  text: LOCK_SCRIPT,
  sha1: createHash('sha1').update(LOCK_SCRIPT).digest('hex'),
};

/** How long a session's locks stay when nobody renews its lease. */
const LEASE_MS = 60_000;
const LOCKS_MAX = 10_000;
/** Leases are renewed so many times as often as need be. */
const RENEWALS_PER_LEASE = 3;
/** Sessions of a call: a script's arguments are on Lua's stack. */
const SESSIONS_PER_CALL = 500;

export interface RedisLockTableOptions {
  readonly link: RedisLink;
  readonly clock: Clock;
  readonly log: RedisLog;
  readonly leaseMs?: number;
  /** Most locks of a session: ranges and flock locks. */
  readonly locksMax?: number;
}

/** Who waits for a file's locks. */
class FileWaiters extends WaitQueue {
  users = 0;
  /** Changes seen: one may come while Redis is being asked. */
  changes = 0;

  changed(): void {
    this.changes++;
    this.wakeAll();
  }
}

export class RedisLockTable implements LockTable {
  readonly #options: Required<RedisLockTableOptions>;
  readonly #waiters = new Map<string, FileWaiters>();
  /** Those with a lease. */
  readonly #sessions = new Set<string>();
  /** What Redis has not been told of: what is given up can't be refused. */
  readonly #owed = new Map<string, readonly string[]>();
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #unlisten: () => void;
  #isClosed = false;
  #onSessionsLost: (sessions: readonly string[]) => void = () => undefined;
  #cancelRenewal: () => void = () => undefined;
  #cancelDeadline: () => void = () => undefined;

  private constructor(options: RedisLockTableOptions) {
    this.#options = { leaseMs: LEASE_MS, locksMax: LOCKS_MAX, ...options };
    this.#unlisten = options.link.listen({
      onUp: () => {
        this.#settle();
      },
      onDown: () => {
        for (const waiters of this.#waiters.values()) waiters.changed();
      },
    });
  }

  /** Errors: RedisUnreachable. */
  static async open(options: RedisLockTableOptions): Promise<RedisLockTable> {
    const table = new RedisLockTable(options);
    await options.link.subscribe('wake', (file) => {
      table.#waiters.get(file)?.changed();
    });
    await table.#renew();
    return table;
  }

  /** Sessions with a lease, files that somebody waits for, and what is owed. */
  get size(): number {
    return this.#sessions.size + this.#waiters.size + this.#owed.size;
  }

  /** Is told of sessions that had locks, which others may have by now. */
  set onSessionsLost(onSessionsLost: (sessions: readonly string[]) => void) {
    this.#onSessionsLost = onSessionsLost;
  }

  /** Returns once Redis knows what was given up. Other locks stay until their leases are over. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unlisten();
    this.#cancelRenewal();
    this.#cancelDeadline();
    await Promise.allSettled(this.#underWay);
  }

  /** Errors: besides the contract's, ENOLCK if Redis can't be asked; unlocking can't fail. */
  *set(request: LockRequest, { mayWait }: { readonly mayWait: boolean }): Op<void> {
    const { file, owner, type } = request;
    if (type === F_UNLCK) {
      yield* this.#unlock(request);
      return;
    }
    const waiters = this.#enter(file);
    try {
      for (;;) {
        const { changes } = waiters;
        const [status, interruption] = yield* patiently(this.#set(request, mayWait));
        // It is granted, whatever came meanwhile.
        if (status === 'OK') return;
        if (status !== 'WAIT') throw errorOf(status);
        yield* this.#wait(waiters, { changes, owner, interruption });
      }
    } finally {
      this.#leave(file, waiters);
    }
  }

  *#wait(
    waiters: FileWaiters,
    {
      changes,
      owner,
      interruption,
    }: { changes: number; owner: LockOwnerId; interruption: Error | undefined },
  ): Op<void> {
    try {
      if (interruption !== undefined) throw interruption;
      if (waiters.changes === changes) yield waiters;
    } catch (error) {
      this.#tell(['leave', nameOf(owner)]);
      throw error;
    }
  }

  /** Errors: ENOLCK of what would make two locks of one. */
  *#unlock(request: LockRequest): Op<void> {
    const { session } = request.owner;
    if (!this.#sessions.has(session)) return;
    const call = this.#setCall(request, { mayWait: false, isNew: false });
    const status = yield* this.#giveUp(call);
    if (status === 'LOST') this.#lose([session]);
    if (status === 'NOLCK') throw linuxerr.ENOLCK;
  }

  async #set(request: LockRequest, mayWait: boolean): Promise<string> {
    const { session } = request.owner;
    const isNew = !this.#sessions.has(session);
    this.#sessions.add(session);
    try {
      const [status] = await this.#run(this.#setCall(request, { mayWait, isNew }));
      if (status === 'LOST') this.#lose([session]);
      return assertDefined(status);
    } catch (error) {
      // It may have no lease yet, so that it has lost nothing either.
      if (isNew) this.#sessions.delete(session);
      throw error;
    }
  }

  #setCall(
    { file, owner, pid, type, start, end }: LockRequest,
    { mayWait, isNew }: { readonly mayWait: boolean; readonly isNew: boolean },
  ): string[] {
    const { leaseMs, locksMax } = this.#options;
    // flock(2) knows no ranges.
    const isWhole = owner.kind === 'flock';
    const range = [String(type), boundOf(isWhole ? 0 : start), boundOf(isWhole ? Infinity : end)];
    const flags = [mayWait ? '1' : '0', isNew ? '1' : '0'];
    const limits = [String(leaseMs), String(locksMax)];
    return ['set', file, nameOf(owner), String(pid), ...range, ...flags, ...limits];
  }

  *find({ file, owner, type, start, end }: LockRequest): Op<FoundLock | undefined> {
    const call = ['find', file, nameOf(owner), String(type), boundOf(start), boundOf(end)];
    const [status, name = '', pid, foundType, from, to] = yield* waitFor(this.#run(call));
    if (status === 'NONE') return undefined;
    return {
      owner: ownerOf(name),
      pid: Number(pid),
      type: Number(foundType),
      start: Number(from),
      end: to === 'inf' ? Infinity : Number(to),
    };
  }

  *release(file: string, owner: LockOwnerId): Op<void> {
    if (!this.#sessions.has(owner.session)) return;
    yield* this.#giveUp(['release', file, nameOf(owner)]);
  }

  *endSession(session: string): Op<void> {
    if (!this.#sessions.delete(session)) return;
    yield* this.#giveUp(['end', session]);
  }

  *inherit(from: string, to: string): Op<void> {
    this.#sessions.add(to);
    yield* waitFor(this.#run(['inherit', from, to, String(this.#options.leaseMs)]));
  }

  /** Redis is told as soon as it can be. Until then others wait for nothing, which is safe. */
  *#giveUp(call: readonly string[]): Op<string | undefined> {
    const told = this.#run(call).catch((error: unknown) => {
      if (error !== linuxerr.ENOLCK) throw error;
      this.#owed.set(call.join(' '), call);
      return [];
    });
    // Whatever is thrown in meanwhile, it is done.
    const [[status]] = yield* patiently(told);
    return status;
  }

  #tell(call: readonly string[]): void {
    this.#run(call).catch((error: unknown) => {
      // Its entry goes when the owner asks again, or with the session.
      if (error !== linuxerr.ENOLCK) this.#complain(error);
    });
  }

  /** Errors: ENOLCK if Redis can't be asked, or broke off: then a lock may have been taken. */
  async #run(call: readonly string[]): Promise<string[]> {
    const running = this.#options.link.run(SCRIPT, call);
    this.#underWay.add(running);
    try {
      return await running;
    } catch (error) {
      if (error instanceof RedisUnreachable) throw linuxerr.ENOLCK;
      throw error;
    } finally {
      this.#underWay.delete(running);
    }
  }

  /** Redis is there again: first what is owed, then nobody is to lose what is still theirs. */
  #settle(): void {
    for (const [key, call] of this.#owed) {
      this.#owed.delete(key);
      this.#run(call).catch((error: unknown) => {
        if (error === linuxerr.ENOLCK) this.#owed.set(key, call);
        else this.#complain(error);
      });
    }
    this.#renew().catch((error: unknown) => {
      this.#complain(error);
    });
    for (const waiters of this.#waiters.values()) waiters.changed();
  }

  async #renew(): Promise<void> {
    const { clock, leaseMs } = this.#options;
    this.#cancelRenewal();
    this.#cancelRenewal = clock.setTimer(leaseMs / RENEWALS_PER_LEASE, () => {
      this.#renew().catch((error: unknown) => {
        this.#complain(error);
      });
    });
    const startMs = clock.monotonicMs();
    const sessions = [...this.#sessions];
    try {
      for (let at = 0; at === 0 || at < sessions.length; at += SESSIONS_PER_CALL) {
        const some = sessions.slice(at, at + SESSIONS_PER_CALL);
        this.#lose(await this.#run(['renew', String(leaseMs), ...some]));
      }
    } catch (error) {
      if (error === linuxerr.ENOLCK) return;
      throw error;
    }
    if (this.#isClosed) return;
    this.#cancelDeadline();
    const restMs = Math.max(0, startMs + leaseMs - clock.monotonicMs());
    // From then on others may have been given what this server's clients think is theirs.
    this.#cancelDeadline = clock.setTimer(restMs, () => {
      this.#lose([...this.#sessions]);
    });
  }

  #lose(sessions: readonly string[]): void {
    const lost = sessions.filter((session) => this.#sessions.delete(session));
    if (lost.length === 0) return;
    const { log, link } = this.#options;
    log.error(
      { redis: link.address, sessions: lost.length },
      'locks were lost: their sessions end, and clients take them again if they can',
    );
    this.#onSessionsLost(lost);
  }

  #complain(error: unknown): void {
    this.#options.log.error({ err: error }, 'redis refused a call');
  }

  #enter(file: string): FileWaiters {
    const waiters = this.#waiters.get(file) ?? new FileWaiters();
    this.#waiters.set(file, waiters);
    waiters.users++;
    return waiters;
  }

  #leave(file: string, waiters: FileWaiters): void {
    waiters.users--;
    if (waiters.users === 0) this.#waiters.delete(file);
  }
}

/** What came, and what was thrown in meanwhile: Redis can't be stopped. */
function* patiently<T>(promise: Promise<T>): Op<[T, Error | undefined]> {
  const op = waitFor(promise);
  let interruption: Error | undefined;
  let result = op.next();
  while (result.done !== true) {
    try {
      yield result.value;
    } catch (error) {
      assert(error instanceof Error, 'an interruption without a reason');
      interruption ??= error;
    }
    result = op.next();
  }
  return [result.value, interruption];
}

function errorOf(status: string): Error {
  if (status === 'AGAIN') return linuxerr.EAGAIN;
  if (status === 'DEADLK') return linuxerr.EDEADLK;
  assert(status === 'NOLCK' || status === 'LOST', `the script said ${status}`);
  return linuxerr.ENOLCK;
}

function boundOf(offset: number): string {
  return offset === Infinity ? 'inf' : String(offset);
}

function nameOf({ session, kind, id }: LockOwnerId): string {
  return `${session} ${kind} ${id}`;
}

function ownerOf(name: string): LockOwnerId {
  const [session = '', kind, id] = name.split(' ');
  return { session, kind: kind as LockKind, id: Number(id) };
}
