// The server of `burrowfs gofer`, with its token and its checks, for tests. It can be stopped and
// started again at the same port.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadKoffiCalls } from '../../src/fsgofer/koffi-calls.ts';
import { GoferServer } from '../../src/gofer-server/gofer-server.ts';
import { RealClock } from '../../src/lib/clock.ts';

const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** It has a space, which an address has to escape. */
const TOKEN = 'open sesame';

export class TokenGofer {
  readonly folder: string;
  readonly token = TOKEN;
  #server: GoferServer | undefined;
  #port = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(): Promise<TokenGofer> {
    const gofer = new TokenGofer(await mkdtemp(join(tmpdir(), 'burrow-page-')));
    await gofer.restart();
    return gofer;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}/`;
  }

  /** As the command prints it. */
  get address(): string {
    return `${this.url}#token=${encodeURIComponent(this.token)}`;
  }

  async restart(token = TOKEN): Promise<void> {
    await this.stop();
    this.#server = await GoferServer.open({
      directory: this.folder,
      calls: await loadKoffiCalls(),
      host: '127.0.0.1',
      port: this.#port,
      auth: { kind: 'token', token },
      clock: new RealClock(),
      log: QUIET,
    });
    this.#port = Number(new URL(this.#server.url).port);
  }

  /** As when it is killed: no time to write anything back. */
  async stop(): Promise<void> {
    await this.#server?.stop(0);
    this.#server = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
