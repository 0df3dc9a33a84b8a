// `burrowfs gofer DIR`: opens the server, says how to connect, and stops it when a signal comes.

import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { pino } from 'pino';
import { LinuxError } from '../abi/errno.ts';
import { loadKoffiCalls } from '../fsgofer/koffi-calls.ts';
import { GoferServer } from '../gofer-server/gofer-server.ts';
import { ListenError } from '../gofer-server/listen.ts';
import type { GoferLog } from '../gofer-server/log.ts';
import { GoferMetrics } from '../gofer-server/metrics.ts';
import { MetricsServer } from '../gofer-server/metrics-server.ts';
import { isLoopback } from '../gofer-server/origin.ts';
import { type Auth, makeToken, readToken } from '../gofer-server/token.ts';
import { RealClock } from '../lib/clock.ts';
import type { RedisState } from '../redis/redis-state.ts';
import { printGoferUrl } from '../transport/gofer-url.ts';
import { checkAuth, checkDirectory, readTlsFiles } from './gofer-files.ts';
import { type GoferOptions, hostsOpenToAll } from './gofer-options.ts';
import { openRedis } from './gofer-redis.ts';
import { clientFdsMax } from './open-files.ts';
import type { LogLevel } from './option-table.ts';
import { TerminalLog } from './terminal-log.ts';
import { type UsageError, wrongValue } from './usage-error.ts';

const STDERR = 2;
/** Addresses that stand for all of this machine's, and the one of them to connect to from here. */
const ANY_ADDRESS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' };

/**
 * How much larger V8 lets its heap become than what is in use, in per cent. What comes over a link
 * is no part of the heap, but counts as if it were: one as small as a gofer's is marked and swept
 * for each dozen MiB that clients write, which takes longer than to write them.
 */
const HEAP_GROWTH_PERCENT = 400;

interface Running {
  readonly server: GoferServer;
  readonly metrics: MetricsServer | undefined;
  readonly redis: RedisState | undefined;
}

/** Returns when the server has stopped. Errors: UsageError. */
export async function runGofer(options: GoferOptions): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
  const auth = options.auth ?? { kind: 'token', token: makeToken() };
  const directory = await checkDirectory(options.directory);
  await checkAuth(auth);
  const settled = { ...options, auth, directory };
  const log = openLog(options.logLevel);
  const running = await open(settled, log);
  const stopped = stopOnSignal(running, log);
  process.stdout.write(await describe(settled, running));
  log.info({ directory, url: running.server.url, isReadOnly: options.isReadOnly }, 'serving');
  await stopped;
  log.info({}, 'stopped');
}

/** Words for a person at a terminal, JSON for everybody else. */
function openLog(level: LogLevel): GoferLog {
  if (!process.stderr.isTTY) {
    // Written at once: a process that ends would take what it holds with it.
    return pino({ level }, pino.destination({ dest: STDERR, sync: true }));
  }
  const clock = new RealClock();
  return new TerminalLog({
    level,
    write: (line) => process.stderr.write(line),
    time: () => new Date(clock.now().sec * 1000).toLocaleTimeString('en-GB'),
    hasColours: process.stderr.hasColors(),
  });
}

type Settled = GoferOptions & { readonly auth: Auth };

async function open(options: Settled, log: GoferLog): Promise<Running> {
  const { redis: place } = options;
  const clock = new RealClock();
  const redis = place === undefined ? undefined : await openRedis({ ...place, clock, log });
  try {
    const opened = await openServers(options, log, redis);
    if (redis !== undefined) {
      redis.locks.onSessionsLost = (names) => {
        opened.server.endByLocks(names);
      };
    }
    return { ...opened, redis };
  } catch (error) {
    await redis?.close();
    throw error;
  }
}

async function openServers(
  options: Settled,
  log: GoferLog,
  redis: RedisState | undefined,
): Promise<Pick<Running, 'server' | 'metrics'>> {
  const { directory, host, port, auth, isReadOnly, origins, idRanges } = options;
  const { connectionsMax, metricsPort, p9Address } = options;
  const { handshakeTimeoutMs, sendTimeoutMs } = options;
  const tls = await readTlsFiles(options);
  const counts = metricsPort === undefined ? undefined : new GoferMetrics();
  const listened = { directory, host, port, auth, isReadOnly, origins, idRanges };
  const server = await orUsageError(
    GoferServer.open({
      ...listened,
      calls: await loadKoffiCalls(),
      clock: new RealClock(),
      log,
      ...(tls !== undefined && { tls }),
      ...(connectionsMax !== undefined && { connectionsMax }),
      fdsMax: clientFdsMax(options, log),
      ...(handshakeTimeoutMs !== undefined && { handshakeTimeoutMs }),
      ...(sendTimeoutMs !== undefined && { sendTimeoutMs }),
      ...(counts !== undefined && { metrics: counts }),
      ...(p9Address !== undefined && { p9Address }),
      ...(redis !== undefined && { shared: redis }),
    }),
    options,
  );
  if (metricsPort === undefined || counts === undefined) return { server, metrics: undefined };
  try {
    const opening = MetricsServer.open({ port: metricsPort, metrics: counts, log });
    return { server, metrics: await orUsageError(opening, options, '--metrics-port') };
  } catch (error) {
    await server.stop(0);
    throw error;
  }
}

/** Errors: UsageError for what the command line can mend. */
async function orUsageError<T>(
  opening: Promise<T>,
  options: GoferOptions,
  portOption = '--port',
): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (error instanceof ListenError) {
      const isP9 = error.address === options.p9Address;
      throw usageErrorOf(error, isP9 ? '--p9-port' : portOption);
    }
    if (error instanceof LinuxError) {
      throw wrongValue('DIR', options.directory, `it can not be served (${error.message})`);
    }
    throw error;
  }
}

function usageErrorOf({ code, address: { host, port } }: ListenError, option: string): UsageError {
  const text = String(port);
  if (code === 'EADDRINUSE') {
    return wrongValue(option, text, 'another program listens there; give another, or 0 for any');
  }
  if (code === 'EACCES') {
    return wrongValue(option, text, 'this user may not listen there; give one from 1024 on');
  }
  return wrongValue(
    option === '--p9-port' ? '--p9-host' : '--host',
    host,
    `this machine can not listen there (${code})`,
  );
}

/** Resolves when the first signal has stopped everything; the second one ends the process. */
async function stopOnSignal({ server, metrics, redis }: Running, log: GoferLog): Promise<void> {
  const signal = await new Promise<string>((resolve) => {
    const onSignal = (name: string): void => {
      resolve(name);
    };
    process.once('SIGINT', onSignal);
    process.once('SIGTERM', onSignal);
  });
  const exitNow = (): void => {
    process.exit(1);
  };
  process.on('SIGINT', exitNow);
  process.on('SIGTERM', exitNow);
  log.info({ signal }, 'stopping');
  await server.stop();
  await redis?.close();
  await metrics?.close();
}

/** For people: what is served, to whom, and how to connect. */
async function describe(options: Settled, { server, metrics, redis }: Running): Promise<string> {
  const { auth, host, directory, isReadOnly, tlsPaths } = options;
  const name = ANY_ADDRESS[host];
  const url = name === undefined ? server.url : server.url.replace(/\/\/[^/]*:/, `//${name}:`);
  const token = auth.kind === 'none' ? undefined : await readToken(auth);
  const isPlain = tlsPaths === undefined && !isLoopback(host);
  const lines = [
    `serving    ${directory}`,
    `access     ${isReadOnly ? 'read-only' : 'read and write'}`,
    `token      ${tokenLine(options)}`,
    `address    ${printGoferUrl({ url, token })}`,
    ...(name === undefined ? [] : ['           from elsewhere, with the name of this machine']),
    ...p9Lines(options, server),
    ...(metrics === undefined ? [] : [`metrics    ${metrics.url}`]),
    ...(redis === undefined ? [] : [`shared     by ${redis.address}`]),
    ...hostsOpenToAll(options).map(
      (open) => `warning    --no-auth: whoever reaches ${open} has all that is served`,
    ),
    ...(isPlain ? ['warning    without --tls-cert others on the way can read everything'] : []),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function p9Lines({ auth, p9Address }: Settled, { p9Port }: GoferServer): string[] {
  if (p9Address === undefined || p9Port === undefined) return [];
  const isWithoutToken = auth.kind !== 'none' && isLoopback(p9Address.host);
  return [
    `9P         ${p9Address.host}, port ${p9Port}, over TCP`,
    ...(isWithoutToken
      ? ['warning    9P asks for no token: every user of this machine has all that is served']
      : []),
  ];
}

function tokenLine({ auth }: Settled): string {
  if (auth.kind === 'none') return 'none: whoever can connect is let in';
  if (auth.kind === 'token') return 'wanted; it is in the address';
  return `wanted; as ${auth.path} says when a client connects`;
}
