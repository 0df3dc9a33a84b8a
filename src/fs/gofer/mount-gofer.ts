// Mounting a gofer: the link, the session, and the filesystem on them, out of mount options.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import { LisafsClient } from '../../lisafs/client.ts';
import type { LisafsClientOptions } from '../../lisafs/client-options.ts';
import type { Transport } from '../../transport/transport.ts';
import type { Devices } from '../shared/devices.ts';
import { Gofer } from './gofer.ts';
import { LisafsRemote } from './lisafs-remote.ts';
import type { GoferOptions } from './mount-options.ts';
import { CACHE_MODE_NAMES, cacheModeOf, DEFAULTS, type GoferSettings } from './options.ts';

export interface GoferLink {
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
}

const TIMEOUT_MS = 60_000;

/** A gofer can't be mounted. The message says what is wrong, and what would be right. */
class GoferError extends Error {
  override readonly name = 'GoferError';
  /** What a system call says of it. */
  readonly error: LinuxError;

  constructor(message: string, error: LinuxError = linuxerr.EINVAL) {
    super(message);
    this.error = error;
  }
}

/**
 * Errors: GoferError for options, a server that can't be reached, and an `aname` that isn't there.
 */
export function* mountGofer(mounting: Mounting, options: GoferOptions): Op<Gofer> {
  const checked = checkOptions(options);
  const { connect, source, dev, clock, devices } = mounting;
  let filesystem: Gofer | undefined;
  let reason: string | undefined;
  const client = yield* connected(source, () => reason, {
    connect: () => connect({ source, token: options.token }),
    clock,
    timeoutMs: options.timeout ?? TIMEOUT_MS,
    attach: options.aname ?? '/',
    onStatus: (status) => {
      ({ reason } = status);
    },
    // What others may change is looked at again before it is used: nobody has to say it.
    onPush: () => undefined,
    *onSessionLost(mounted, calls) {
      if (filesystem !== undefined) yield* filesystem.recover(mounted, calls);
    },
  });
  try {
    const remote = new LisafsRemote(client);
    return (filesystem = new Gofer({ ...checked, remote, dev, clock, devices }));
  } catch (error) {
    yield* client.close();
    throw error;
  }
}

/** Errors: GoferError. */
function* connected(
  source: string,
  reason: () => string | undefined,
  options: LisafsClientOptions,
): Op<LisafsClient> {
  try {
    return yield* LisafsClient.connect(options);
  } catch (error) {
    const why = reason() ?? (error instanceof Error ? error.message : String(error));
    const errno = error instanceof LinuxError ? error : linuxerr.EIO;
    throw new GoferError(`${withoutToken(source)}: ${why}`, errno);
  }
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

/** A source as it may be shown. */
export function withoutToken(source: string): string {
  return source.replace(/#.*$/s, '');
}
