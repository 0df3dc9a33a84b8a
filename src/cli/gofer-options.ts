// The command line of `burrowfs gofer`: text → what a server is opened with. Looks at no file; a
// wrong value is a UsageError that names the option, the value and what is allowed.

import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { findOverlap, ID_MAX, type IdRange, printIdRange } from '../fsgofer/id-map.ts';
import type { ListenAddress } from '../gofer-server/listen.ts';
import { isLoopback, parseOrigin } from '../gofer-server/origin.ts';
import type { Auth } from '../gofer-server/token.ts';
import { problemsOfToken } from '../transport/gofer-url.ts';
import {
  DEFAULT_HOST,
  DEFAULT_LOG_LEVEL,
  DEFAULT_PORT,
  DEFAULT_REDIS_PREFIX,
  LOG_LEVELS,
  type LogLevel,
  OPTION_ROWS,
  type OptionName,
} from './option-table.ts';
import { UsageError, wrongValue } from './usage-error.ts';

const PORT_MAX = 65_535;
const CONNECTIONS_MAX = 10_000;
/** Beyond that no host lets a process go. */
const FDS_MAX = 1 << 20;
/** A root, what is walked to and what is opened. */
const FDS_MIN = 8;

/** An hour. */
const TIMEOUT_MAX_S = 3600;

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

const REDIS_PREFIX = /^[\w.:-]{1,100}$/;

export interface GoferOptions {
  readonly directory: string;
  readonly host: string;
  readonly port: number;
  readonly isReadOnly: boolean;
  /** Undefined: a token is to be made. */
  readonly auth: Auth | undefined;
  readonly origins: readonly string[];
  readonly tlsPaths: { readonly cert: string; readonly key: string } | undefined;
  readonly idRanges: readonly IdRange[];
  readonly connectionsMax: number | undefined;
  readonly fdsMax: number | undefined;
  readonly handshakeTimeoutMs: number | undefined;
  readonly sendTimeoutMs: number | undefined;
  readonly logLevel: LogLevel;
  readonly metricsPort: number | undefined;
  /** Undefined: only WebSockets. */
  readonly p9Address: ListenAddress | undefined;
  /** Where what servers of one directory share is. */
  readonly redis: { readonly url: string; readonly prefix: string } | undefined;
}

/** What is to be done. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'gofer'; readonly options: GoferOptions };

type Value = string | boolean | (string | boolean)[] | undefined;

/** What stands on the command line, option by option. */
class Values {
  readonly #values: Readonly<Record<string, Value>>;

  constructor(values: Readonly<Record<string, Value>>) {
    this.#values = values;
  }

  isSet(name: OptionName): boolean {
    return this.#values[name] === true;
  }

  text(name: OptionName): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  texts(name: OptionName): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** Errors: UsageError for an option that is there and empty. */
  path(name: OptionName): string | undefined {
    const path = this.text(name);
    if (path === '') throw wrongValue(`--${name}`, path, 'it is the path of a file');
    return path;
  }

  /** Errors: UsageError. */
  number(name: OptionName, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const number = parseNumber(text, max);
    if (number === undefined || number < min) {
      throw wrongValue(`--${name}`, text, `it is a number from ${min} to ${max}`);
    }
    return number;
  }

  /** Of an option in seconds. Errors: UsageError. */
  milliseconds(name: OptionName): number | undefined {
    const seconds = this.number(name, 1, TIMEOUT_MAX_S);
    return seconds === undefined ? undefined : seconds * 1000;
  }
}

/** Undefined if it isn't one of decimal digits, or too large. */
function parseNumber(text: string, max: number): number | undefined {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Infinity;
  return number <= max ? number : undefined;
}

/** Errors: UsageError. */
export function parseCommandLine(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  if (values.isSet('help')) return { kind: 'help' };
  if (values.isSet('version')) return { kind: 'version' };
  const [command, directory, ...others] = positionals;
  if (command === undefined) throw new UsageError('no command: it is gofer DIR');
  if (command !== 'gofer') throw wrongValue('the command', command, 'there is only gofer');
  if (directory === undefined || directory === '') {
    throw new UsageError('DIR is missing: the folder to serve');
  }
  if (others.length > 0) {
    throw wrongValue('after DIR', others.join(' '), 'there is only one DIR, and options');
  }
  return { kind: 'gofer', options: goferOptions(directory, values) };
}

function parse(args: readonly string[]): { values: Values; positionals: string[] } {
  const rows = OPTION_ROWS.map(([name, { value, isRepeated = false }]) => {
    const type = value === undefined ? ('boolean' as const) : ('string' as const);
    return [name, { type, multiple: isRepeated }] as const;
  });
  const options = Object.fromEntries(rows);
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, tokens: true });
    checkNotRepeated(parsed.tokens.flatMap((token) => (token.kind === 'option' ? token.name : [])));
    return { values: new Values(parsed.values), positionals: parsed.positionals };
  } catch (error) {
    const code = error instanceof TypeError ? (error as { readonly code?: unknown }).code : '';
    if (!(error instanceof TypeError) || !String(code).startsWith('ERR_PARSE_ARGS_')) throw error;
    throw new UsageError(sentenceOf(error.message));
  }
}

/** Of two values the first would be dropped silently. */
function checkNotRepeated(names: readonly string[]): void {
  const row = OPTION_ROWS.find(
    ([name, { isRepeated = false }]) =>
      !isRepeated && names.filter((other) => other === name).length > 1,
  );
  if (row !== undefined) throw new UsageError(`--${row[0]} is given more than once`);
}

/** Node's message without its hints, in one line. It may repeat an option, but never its value. */
function sentenceOf(message: string): string {
  const [sentence = ''] = message.split(/\.\s|\n/);
  return sentence.replace(/\.$/, '').replace(/(--[a-z0-9-]+)=\S*/g, '$1');
}

function goferOptions(directory: string, values: Values): GoferOptions {
  const host = hostOf(values, 'host');
  return {
    directory,
    host,
    port: values.number('port', 0, PORT_MAX) ?? DEFAULT_PORT,
    isReadOnly: values.isSet('read-only'),
    auth: authOf(values),
    origins: values.texts('origin').map(originOf),
    tlsPaths: tlsPathsOf(values),
    idRanges: idRangesOf(values.texts('uid-map')),
    connectionsMax: values.number('max-connections', 1, CONNECTIONS_MAX),
    fdsMax: values.number('max-fds', FDS_MIN, FDS_MAX),
    handshakeTimeoutMs: values.milliseconds('handshake-timeout'),
    sendTimeoutMs: values.milliseconds('send-timeout'),
    logLevel: logLevelOf(values.text('log-level') ?? DEFAULT_LOG_LEVEL),
    metricsPort: values.number('metrics-port', 0, PORT_MAX),
    p9Address: p9AddressOf(values),
    redis: redisOf(values),
  };
}

/** Errors: UsageError. */
function hostOf(values: Values, name: 'host' | 'p9-host'): string {
  const host = values.text(name) ?? DEFAULT_HOST;
  if (isIP(host) !== 0 || HOST_NAME.test(host)) return host;
  throw wrongValue(`--${name}`, host, 'it is an IP address, without brackets, or a name');
}

/** Plain 9P asks for no token: that others can get there has to be said. */
function p9AddressOf(values: Values): ListenAddress | undefined {
  const port = values.number('p9-port', 0, PORT_MAX);
  const host = hostOf(values, 'p9-host');
  if (port === undefined) {
    if (values.text('p9-host') === undefined) return undefined;
    throw new UsageError('--p9-host needs --p9-port');
  }
  if (isLoopback(host) || values.isSet('no-auth')) return { host, port };
  const why = 'others reach it, and 9P over TCP asks for no token: it needs --no-auth';
  throw wrongValue('--p9-host', host, why);
}

function authOf(values: Values): Auth | undefined {
  const token = values.text('token');
  const path = values.path('token-file');
  const given = [
    ...(token === undefined ? [] : ['--token']),
    ...(path === undefined ? [] : ['--token-file']),
    ...(values.isSet('no-auth') ? ['--no-auth'] : []),
  ];
  if (given.length > 1) throw new UsageError(`${given.join(' and ')}: only one of them`);
  if (path !== undefined) return { kind: 'file', path };
  if (values.isSet('no-auth')) return { kind: 'none' };
  if (token === undefined) return undefined;
  const [problem] = problemsOfToken(token);
  // Its value is none for a terminal that others see.
  if (problem !== undefined) throw new UsageError(`--token: the token ${problem}`);
  return { kind: 'token', token };
}

function originOf(text: string): string {
  const origin = parseOrigin(text);
  if (origin !== undefined) return origin;
  const allowed = 'it is a scheme, a host and perhaps a port, such as https://example.org:8443';
  throw wrongValue('--origin', text, allowed);
}

function redisOf(values: Values): GoferOptions['redis'] {
  const [url, prefix] = [values.text('redis'), values.text('redis-prefix')];
  if (url === undefined) {
    if (prefix !== undefined) throw new UsageError('--redis-prefix needs --redis');
    return undefined;
  }
  // It may have a password: it isn't repeated.
  const isUrl = /^rediss?:\/\/[^/]/.test(url) && URL.canParse(url);
  if (!isUrl) throw new UsageError('--redis: it is redis://host:port, or rediss: for TLS');
  if (prefix !== undefined && !REDIS_PREFIX.test(prefix)) {
    const allowed = 'it is of letters, digits, and . _ : -';
    throw wrongValue('--redis-prefix', prefix, allowed);
  }
  return { url, prefix: prefix ?? DEFAULT_REDIS_PREFIX };
}

function tlsPathsOf(values: Values): GoferOptions['tlsPaths'] {
  const [cert, key] = [values.path('tls-cert'), values.path('tls-key')];
  if (cert === undefined && key === undefined) return undefined;
  if (key === undefined) throw new UsageError('--tls-cert needs --tls-key');
  if (cert === undefined) throw new UsageError('--tls-key needs --tls-cert');
  return { cert, key };
}

function idRangesOf(texts: readonly string[]): IdRange[] {
  const ranges = texts.map(idRangeOf);
  const overlap = findOverlap(ranges);
  if (overlap === undefined) return ranges;
  const [first, second] = overlap.map(printIdRange);
  throw new UsageError(`--uid-map ${first ?? ''} and ${second ?? ''} overlap: each id means one`);
}

function idRangeOf(text: string): IdRange {
  const allowed = `it is C:S or C:S:N: N ids, at least one, up to ${ID_MAX}`;
  const numbers = text.split(':').map((part) => parseNumber(part, ID_MAX));
  const [clientId, serverId, count = 1] = numbers;
  const isWrong = numbers.length > 3 || numbers.includes(undefined) || count === 0;
  if (isWrong || clientId === undefined || serverId === undefined) {
    throw wrongValue('--uid-map', text, allowed);
  }
  if (Math.max(clientId, serverId) + count - 1 > ID_MAX) {
    throw wrongValue('--uid-map', text, allowed);
  }
  return { clientId, serverId, count };
}

function logLevelOf(text: string): LogLevel {
  const level = LOG_LEVELS.find((name) => name === text);
  if (level !== undefined) return level;
  throw wrongValue('--log-level', text, `it is one of ${LOG_LEVELS.join(', ')}`);
}

/** Hosts on which whoever reaches the server gets in, and more than this machine does. */
export function hostsOpenToAll({ auth, host, p9Address }: GoferOptions): string[] {
  const open = [
    ...(auth?.kind === 'none' ? [host] : []),
    ...(p9Address === undefined ? [] : [p9Address.host]),
  ];
  return [...new Set(open)].filter((name) => !isLoopback(name));
}
