// The options of `burrowfs gofer`, in the order in which --help has them.

import {
  CONNECTIONS_MAX,
  FDS_MAX,
  HANDSHAKE_TIMEOUT_MS,
  SEND_TIMEOUT_MS,
} from '../gofer-server/gofer-server.ts';

interface OptionRow {
  /** How --help calls its value; none: it has no value. */
  readonly value?: string;
  readonly isRepeated?: boolean;
  /** Lines of --help. */
  readonly help: readonly string[];
}

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 5640;
export const DEFAULT_REDIS_PREFIX = 'burrowfs';
export const DEFAULT_LOG_LEVEL: LogLevel = 'info';

export const OPTIONS = {
  host: { value: 'H', help: [`address or name to listen on (${DEFAULT_HOST})`] },
  port: { value: 'N', help: [`port to listen on; 0: any that is free (${DEFAULT_PORT})`] },
  'read-only': { help: ['clients change nothing'] },
  token: {
    value: 'T',
    help: ['what clients have to know; without any of these three a random one', 'is made'],
  },
  'token-file': {
    value: 'F',
    help: ['file with the token, of mode 600, read anew for every connection'],
  },
  'no-auth': { help: ['let in whoever can connect'] },
  origin: {
    value: 'O',
    isRepeated: true,
    help: [
      'let pages of this origin in, such as https://example.org; may be given',
      'more than once. On a loopback host those of this machine are let in',
    ],
  },
  'tls-cert': {
    value: 'F',
    help: ['certificate in PEM, with those it leads to: wss: instead of ws:'],
  },
  'tls-key': { value: 'F', help: ['its key in PEM'] },
  'p9-port': {
    value: 'N',
    help: [
      'speak 9P (9P2000.L) here as well, for mount -t 9p and such: TCP, without a',
      'token; 0: any that is free',
    ],
  },
  'p9-host': {
    value: 'H',
    help: [`where: one that others reach needs --no-auth (${DEFAULT_HOST})`],
  },
  'uid-map': {
    value: 'C:S[:N]',
    isRepeated: true,
    help: [
      "clients' users and groups C, C+1, … are the host's S, S+1, …, N of them",
      '(1); may be given more than once',
    ],
  },
  'max-connections': { value: 'N', help: [`connections at a time (${CONNECTIONS_MAX})`] },
  'max-fds': { value: 'N', help: [`open files of all clients; one has at most half (${FDS_MAX})`] },
  'handshake-timeout': {
    value: 'S',
    help: [`seconds until a client has to be let in (${HANDSHAKE_TIMEOUT_MS / 1000})`],
  },
  'send-timeout': {
    value: 'S',
    help: [
      `seconds that a client may take nothing of what is sent to it (${SEND_TIMEOUT_MS / 1000})`,
    ],
  },
  redis: {
    value: 'URL',
    help: [
      'share locks, and tell of changes, with other servers of DIR by this Redis',
      'or Valkey: redis://host:6379, rediss: for TLS',
    ],
  },
  'redis-prefix': {
    value: 'P',
    help: [`what its keys begin with, one for each DIR (${DEFAULT_REDIS_PREFIX})`],
  },
  'log-level': { value: 'L', help: [`${LOG_LEVELS.join(', ')} (${DEFAULT_LOG_LEVEL})`] },
  'metrics-port': {
    value: 'N',
    help: ['tell Prometheus at http://127.0.0.1:N/metrics; 0: any that is free'],
  },
  help: { help: ['print this'] },
  version: { help: ['print the version'] },
} as const satisfies Record<string, OptionRow>;

export type OptionName = keyof typeof OPTIONS;

export const OPTION_ROWS = Object.entries(OPTIONS) as [OptionName, OptionRow][];
