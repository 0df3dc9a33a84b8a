// Open files of this process: so many as its user may have, less what it needs besides clients'.

import process from 'node:process';
import { CONNECTIONS_MAX, FDS_MAX, HANDSHAKES_MAX } from '../gofer-server/gofer-server.ts';
import type { GoferLog } from '../gofer-server/log.ts';
import type { GoferOptions } from './gofer-options.ts';
import { wrongValue } from './usage-error.ts';

/** Of Node, of what listens, of Redis and of watches. */
const OWN_FDS = 64;
/** Of a low limit clients have half at least. */
const CLIENTS_PART = 1 / 2;

interface Report {
  /** Not on Windows. */
  readonly userLimits?: { readonly open_files?: { readonly soft: number | 'unlimited' } };
}

/** setrlimit(2): RLIMIT_NOFILE. Infinity if there is none. */
function limitNow(): number {
  // It would look up names of whatever is connected.
  Object.assign(process.report, { excludeNetwork: true });
  const { userLimits } = process.report.getReport() as Report;
  const soft = userLimits?.open_files?.soft;
  return typeof soft === 'number' ? soft : Infinity;
}

/**
 * How many files clients may have open: a server that is promised more than there are couldn't
 * keep its own promises. Errors: UsageError if more were asked for.
 */
export function clientFdsMax(options: GoferOptions, log: GoferLog): number {
  const { fdsMax = FDS_MAX, connectionsMax = CONNECTIONS_MAX } = options;
  const limit = limitNow();
  const others = OWN_FDS + connectionsMax + HANDSHAKES_MAX;
  const room = Math.floor(Math.max(limit - others, limit * CLIENTS_PART));
  if (fdsMax <= room) return fdsMax;
  if (options.fdsMax !== undefined) {
    const clients = `${room} of them for clients; see ulimit -n`;
    const why = `this user may have ${limit} open files, ${clients}`;
    throw wrongValue('--max-fds', String(fdsMax), why);
  }
  log.warn({ limit, fdsMax: room }, 'clients have fewer open files, as this user may have few');
  return room;
}
