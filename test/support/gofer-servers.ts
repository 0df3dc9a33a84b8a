// The gofer's server in this process, as `burrowfs gofer` starts it: with tokens, and on a folder
// of its own that goes with it.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GoferServer } from '../../src/gofer-server/gofer-server.ts';
import { makeToken } from '../../src/gofer-server/token.ts';
import { RealClock } from '../../src/lib/clock.ts';

const SILENT_LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface TestServer {
  /** Of this host: what is served. */
  readonly folder: string;
  readonly url: string;
  /** The one that lets clients in at the moment. */
  readonly token: string;
  /** Only another token lets clients in from now on. */
  changeToken(): Promise<void>;
  /** Closes all links, as a network does that fails. */
  cutLinks(): Promise<void>;
  stop(): Promise<void>;
}

export async function startServer(): Promise<TestServer> {
  const parent = await mkdtemp(join(tmpdir(), 'burrow-server-'));
  const folder = await mkdtemp(join(parent, 'served-'));
  const path = join(parent, 'token');
  let token = '';
  const changeToken = async (): Promise<void> => {
    token = makeToken();
    await writeFile(path, token, { mode: 0o600 });
  };
  await changeToken();
  const open = (port: number): Promise<GoferServer> =>
    GoferServer.open({
      directory: folder,
      calls: {},
      host: '127.0.0.1',
      port,
      auth: { kind: 'file', path },
      clock: new RealClock(),
      log: SILENT_LOG,
    });
  let server = await open(0);
  return {
    folder,
    url: `${server.url.replace(/\/$/, '')}/`,
    get token() {
      return token;
    },
    changeToken,
    cutLinks: async () => {
      const { port } = server;
      await server.stop(0);
      server = await open(port);
    },
    stop: async () => {
      await server.stop(0);
      await rm(parent, { recursive: true, force: true });
    },
  };
}
