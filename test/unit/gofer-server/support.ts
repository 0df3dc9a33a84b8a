// What the tests of the gofer's server share: a folder for each test, servers of it, and a log that
// is kept.

import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { afterEach, beforeEach, expect } from 'vitest';
import { GoferServer, type GoferServerOptions } from '../../../src/gofer-server/gofer-server.ts';
import type { GoferLog } from '../../../src/gofer-server/log.ts';
import { RealClock } from '../../../src/lib/clock.ts';

const clock = new RealClock();
export const TOKEN = 'hunter2 ünïcode';

export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

export class KeptLog implements GoferLog {
  readonly entries: LogEntry[] = [];
  #onEntry: () => void = () => undefined;

  #add(level: LogEntry['level'], fields: object, message: string): void {
    this.entries.push({ level, fields: { ...fields }, message });
    this.#onEntry();
  }

  info(fields: object, message: string): void {
    this.#add('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#add('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#add('error', fields, message);
  }

  /** The first entry that says so, as soon as there is one. */
  async has(message: string): Promise<LogEntry> {
    for (;;) {
      const entry = this.entries.find((one) => one.message === message);
      if (entry !== undefined) return entry;
      await new Promise<void>((resolve) => {
        this.#onEntry = resolve;
      });
    }
  }
}

export interface Opened {
  readonly server: GoferServer;
  readonly log: KeptLog;
}

/** No server's log has an error, unless the test takes it out, and none has the token. */
export function useServers(): {
  folder: () => string;
  served: () => string;
  open: (options?: Partial<GoferServerOptions>) => Promise<Opened>;
} {
  let folder = '';
  const opened: Opened[] = [];
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'burrow-server-')));
    mkdirSync(join(folder, 'served'));
  });
  afterEach(async () => {
    for (const { server, log } of opened.splice(0)) {
      await server.stop(0);
      expect(log.entries.filter(({ level }) => level === 'error')).toEqual([]);
      expect(JSON.stringify(log.entries)).not.toContain(TOKEN);
    }
    rmSync(folder, { recursive: true, force: true });
  });
  const served = (): string => join(folder, 'served');
  return {
    folder: () => folder,
    served,
    open: async (options = {}) => {
      const log = new KeptLog();
      const server = await GoferServer.open({
        directory: served(),
        calls: {},
        host: '127.0.0.1',
        port: 0,
        auth: { kind: 'token', token: TOKEN },
        clock,
        log,
        ...options,
      });
      opened.push({ server, log });
      return { server, log };
    },
  };
}

export interface Answer {
  /** 101 if a WebSocket was opened. */
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Headers of a handshake. */
export function handshake(headers: Record<string, string> = {}): Record<string, string> {
  return {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  };
}

/** What a server answers to any request; a WebSocket that it opens is cut off. */
export function ask(
  { port }: GoferServer,
  options: { method?: string; path?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked: ClientRequest = request({ host: '127.0.0.1', port, agent: false, ...options });
    asked.on('error', reject);
    asked.on('upgrade', ({ headers }, socket) => {
      socket.destroy();
      resolve({ status: 101, headers, body: '' });
    });
    asked.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    });
    asked.end();
  });
}
