// Mounting a gofer: the link, the session, and the filesystem on them, out of mount options.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import { LisafsClient } from '../../lisafs/client.ts';
import type { LinkStatus } from '../../link/connection.ts';
import type { LisafsClientOptions } from '../../lisafs/client-options.ts';
import { P9Client } from '../../p9/client.ts';
import type { P9ClientOptions } from '../../p9/client-options.ts';
import { LOCK_CLIENT_SIZE, lockClientName } from '../../p9/lock-clients.ts';
import { problemsOfToken } from '../../transport/gofer-url.ts';
import type { Transport } from '../../transport/transport.ts';
import { ConnectError } from '../../transport/web-socket.ts';
import type { RemoteStatus } from '../../vfs/remote-link.ts';
import type { Devices } from '../shared/devices.ts';
import { type CheckedOptions, checkOptions } from './check-options.ts';
import { Gofer } from './gofer.ts';
import { GoferError, withoutToken } from './gofer-error.ts';
import type { GoferInode } from './gofer-inode.ts';
import { LisafsRemote } from './lisafs-remote.ts';
import type { GoferOptions } from './mount-options.ts';
import type { CacheMode, GoferSettings, GoferVersion } from './options.ts';
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

/**
 * Errors: GoferError for options, a server that can't be reached, and an `aname` that isn't there.
 */
export function* mountGofer(mounting: Mounting, options: GoferOptions): Op<Gofer> {
  const checked = checkOptions(options);
  const { version } = checked;
  return version.protocol === 'lisafs'
    ? yield* mountLisafs(mounting, checked)
    : yield* mountP9(mounting, checked, version);
}

function* mountLisafs(mounting: Mounting, options: CheckedOptions): Op<Gofer> {
  const { settings } = options;
  const { connect, source, dev, clock, devices } = mounting;
  let filesystem: Gofer | undefined;
  let reason: string | undefined;
  const clientOptions: LisafsClientOptions = {
    connect: async () => connect({ protocol: 'lisafs', source, token: await tokenOf(options) }),
    newToken: typeof options.token === 'function',
    clock,
    timeoutMs: options.timeoutMs,
    attach: options.aname,
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
    const { cache } = settings;
    const remote = new LisafsRemote(client, { isAlone: isAlone(settings) });
    const made = new Gofer({ ...settings, remote, dev, clock, devices });
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
  options: CheckedOptions,
  { versionMax }: GoferVersion & { readonly protocol: '9p2000.L' },
): Op<Gofer> {
  const { settings } = options;
  const { connect, source, dev, clock, devices } = mounting;
  let filesystem: Gofer | undefined;
  let client: P9Client | undefined;
  let reason: string | undefined;
  const lockName = lockClientName(mounting.randomBytes(LOCK_CLIENT_SIZE));
  const clientOptions: P9ClientOptions = {
    connect: async () => connect({ protocol: '9p2000.L', source, token: await tokenOf(options) }),
    newToken: typeof options.token === 'function',
    clock,
    timeoutMs: options.timeoutMs,
    aname: options.aname,
    versionMax,
    isAlone: isAlone(settings),
    msize: options.msize,
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
    const { cache } = settings;
    const remote = new P9Remote(client, lockName);
    const onLocksFound = (): void => {
      tellStatus(filesystem, mounting);
    };
    const made = new Gofer({ ...settings, remote, dev, clock, devices, onLocksFound });
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
async function tokenOf({ token }: CheckedOptions): Promise<string | undefined> {
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
