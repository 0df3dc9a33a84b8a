// Mounting a gofer: the link, the session, and the filesystem on them, out of mount options.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import { LisafsClient } from '../../lisafs/client.ts';
import type { LinkStatus } from '../../link/connection.ts';
import type { LisafsClientOptions } from '../../lisafs/client-options.ts';
import { P9Client } from '../../p9/client.ts';
import type { P9ClientOptions } from '../../p9/client-options.ts';
import { MSIZE_MAX } from '../../p9/frame.ts';
import { LOCK_CLIENT_SIZE, lockClientName } from '../../p9/lock-clients.ts';
import { problemsOfToken } from '../../transport/gofer-url.ts';
import type { Transport } from '../../transport/transport.ts';
import { ConnectError } from '../../transport/web-socket.ts';
import type { RemoteStatus } from '../../vfs/remote-link.ts';
import type { Devices } from '../shared/devices.ts';
import { Gofer } from './gofer.ts';
import { GoferError, withoutToken } from './gofer-error.ts';
import type { GoferInode } from './gofer-inode.ts';
import { LisafsRemote } from './lisafs-remote.ts';
import type { GoferOptions } from './mount-options.ts';
import {
  CACHE_MODE_NAMES,
  type CacheMode,
  cacheModeOf,
  DEFAULTS,
  type GoferSettings,
  type GoferVersion,
  MSIZE_MIN,
  VERSION_NAMES,
  versionOf,
} from './options.ts';
import { p9Retaking } from './p9-locks.ts';
import { namesOf, reclaimFids } from './p9-reclaim.ts';
import { P9Remote } from './p9-remote.ts';
import { ServerLink, type ServerLinkOptions } from './server-link.ts';

export interface GoferLink {
  /** The WebSocket's subprotocol. */
  readonly protocol: GoferVersion['protocol'];
  readonly source: string;
  readonly token: string | undefined;
}

export type ConnectGofer = (link: GoferLink) => Promise<Transport>;

export interface Mounting {
  readonly connect: ConnectGofer;
  readonly source: string;
  readonly dev: number;
  readonly clock: Clock;
  readonly devices: Devices;
  readonly randomBytes: (count: number) => Uint8Array;
  /** The link is another than before, or its latency is; or it is found out where locks are. */
  readonly onLinkChanged?: ((status: RemoteStatus) => void) | undefined;
}

const TIMEOUT_MS = 60_000;

/**
 * Errors: GoferError for options, a server that can't be reached, and an `aname` that isn't there.
 */
export function* mountGofer(mounting: Mounting, options: GoferOptions): Op<Gofer> {
  const checked = checkOptions(options);
  const version = checkVersion(options);
  return version.protocol === 'lisafs'
    ? yield* mountLisafs(mounting, options, checked)
    : yield* mountP9(mounting, options, { ...checked, ...version });
}

function* mountLisafs(
  mounting: Mounting,
  options: GoferOptions,
  checked: GoferSettings,
): Op<Gofer> {
  const { connect, source, dev, clock, devices } = mounting;
  let filesystem: Gofer | undefined;
  let reason: string | undefined;
  const clientOptions: LisafsClientOptions = {
    connect: async () => connect({ protocol: 'lisafs', source, token: await tokenOf(options) }),
    newToken: typeof options.token === 'function',
    clock,
    timeoutMs: options.timeout ?? TIMEOUT_MS,
    attach: options.aname ?? '/',
    onStatus: (status) => {
      ({ reason } = status);
      onLinkStatus(status, filesystem, mounting);
    },
    onPush: (...push) => {
      filesystem?.onPush(...push);
    },
    *onSessionLost(mounted, calls) {
      if (filesystem !== undefined) yield* filesystem.recover(mounted, calls);
    },
  };
  const connecting = LisafsClient.connect(clientOptions);
  const client = yield* connectedBy(connecting, source, () => reason);
  try {
    const { cache } = checked;
    const remote = new LisafsRemote(client, { isAlone: isAlone(checked) });
    const made = new Gofer({ ...checked, remote, dev, clock, devices });
    made.remoteLink = new ServerLink(client, statusOf(made, mounting, cache));
    return (filesystem = made);
  } catch (error) {
    yield* client.close();
    throw error;
  }
}

/** By what was asked for, nobody else changes anything. */
function isAlone({ cache }: GoferSettings): boolean {
  return cache === 'exclusive' || cache === 'writethrough';
}

function* mountP9(
  mounting: Mounting,
  options: GoferOptions,
  { versionMax, ...checked }: GoferSettings & { readonly versionMax: number },
): Op<Gofer> {
  const { connect, source, dev, clock, devices } = mounting;
  let filesystem: Gofer | undefined;
  let client: P9Client | undefined;
  let reason: string | undefined;
  const lockName = lockClientName(mounting.randomBytes(LOCK_CLIENT_SIZE));
  const clientOptions: P9ClientOptions = {
    connect: async () => connect({ protocol: '9p2000.L', source, token: await tokenOf(options) }),
    newToken: typeof options.token === 'function',
    clock,
    timeoutMs: options.timeout ?? TIMEOUT_MS,
    aname: options.aname ?? '/',
    versionMax,
    isAlone: isAlone(checked),
    msize: options.msize ?? MSIZE_MAX,
    onStatus: (status) => {
      ({ reason } = status);
      onLinkStatus(status, filesystem, mounting);
    },
    *onSessionLost(calls) {
      if (filesystem === undefined || client === undefined) return;
      const root = filesystem.root.inode as GoferInode;
      yield* reclaimFids(filesystem.knownInodes, { root, client, calls });
      yield* filesystem.renewed(p9Retaking(calls, lockName));
    },
  };
  const connecting = P9Client.connect(clientOptions);
  client = yield* connectedBy(connecting, source, () => reason);
  try {
    const { cache } = checked;
    const remote = new P9Remote(client, lockName);
    const onLocksFound = (): void => {
      tellStatus(filesystem, mounting);
    };
    const made = new Gofer({ ...checked, remote, dev, clock, devices, onLocksFound });
    made.remoteLink = new ServerLink(client, statusOf(made, mounting, cache));
    remote.findsBy((fd) => namesOf(made.knownInodes, fd));
    return (filesystem = made);
  } catch (error) {
    yield* client.close();
    throw error;
  }
}

function statusOf(made: Gofer, { clock }: Mounting, cache: CacheMode): ServerLinkOptions {
  const savedCount = (): number => made.savedCount;
  return { cache, clock, savedCount, lockPlace: () => made.upstreamLocks?.place ?? 'here' };
}

function onLinkStatus(
  { state }: LinkStatus,
  filesystem: Gofer | undefined,
  mounting: Mounting,
): void {
  // One that is closed belongs to nothing any more.
  if (state === 'closed') return;
  if (state === 'connected') filesystem?.reconnected();
  tellStatus(filesystem, mounting);
}

function tellStatus(filesystem: Gofer | undefined, { onLinkChanged }: Mounting): void {
  const link = filesystem?.remoteLink;
  if (link !== undefined) onLinkChanged?.(link.status);
}

/** Errors: ConnectError for what can't be one; those of the function that says it. */
async function tokenOf({ token }: GoferOptions): Promise<string | undefined> {
  const said: unknown = typeof token === 'function' ? await token() : token;
  if (said === undefined && typeof token !== 'function') return undefined;
  if (typeof said !== 'string') throw new ConnectError(linuxerr.EINVAL, 'the token is no text');
  const problems = problemsOfToken(said);
  if (problems.length === 0) return said;
  throw new ConnectError(linuxerr.EINVAL, `the token ${problems.join(', and it ')}`);
}

/** Errors: GoferError. */
function* connectedBy<T>(
  connecting: Op<T>,
  source: string,
  reason: () => string | undefined,
): Op<T> {
  try {
    return yield* connecting;
  } catch (error) {
    const why = reason() ?? (error instanceof Error ? error.message : String(error));
    const errno = error instanceof LinuxError ? error : linuxerr.EIO;
    throw new GoferError(`${withoutToken(source)}: ${why}`, errno);
  }
}

/** Errors: GoferError. */
function checkVersion({ version: text = 'lisafs', msize }: GoferOptions): GoferVersion {
  const version = versionOf(text);
  if (version === undefined) {
    throw new GoferError(
      `version=${text} is no protocol of a gofer: use one of ${VERSION_NAMES.join(', ')}.`,
    );
  }
  if (msize === undefined) return version;
  if (version.protocol === 'lisafs') {
    throw new GoferError(`msize=${msize} is for version=9P2000.L: leave it out with lisafs.`);
  }
  if (!Number.isSafeInteger(msize) || msize < MSIZE_MIN || msize > MSIZE_MAX) {
    throw new GoferError(
      `msize=${msize} must be a whole number of bytes from ${MSIZE_MIN} to ${MSIZE_MAX}.`,
    );
  }
  return version;
}

/** Errors: GoferError. */
function checkOptions(options: GoferOptions): GoferSettings {
  const { cache: cacheName = DEFAULTS.cache, aname = '/' } = options;
  const cache = cacheModeOf(cacheName);
  if (cache === undefined) {
    throw new GoferError(
      `cache=${cacheName} is no cache mode of a gofer: use one of ${CACHE_MODE_NAMES.join(', ')}.`,
    );
  }
  if (!aname.startsWith('/')) {
    throw new GoferError(`aname=${aname} must be an absolute path: begin it with "/".`);
  }
  const numbers = ['dentryCacheLimit', 'cacheSize', 'dirtyLimit', 'dfltuid', 'dfltgid'] as const;
  const given: Partial<Record<(typeof numbers)[number], number>> = {};
  for (const name of [...numbers, 'timeout'] as const) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new GoferError(`${name}=${value} must be a whole number, and not negative.`);
    }
    if (name !== 'timeout') given[name] = value;
  }
  return { ...DEFAULTS, ...given, cache };
}
