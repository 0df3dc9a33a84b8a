// Holder: a tab that holds a store, towards the others that use it. It hears their greetings, talks
// to each on a channel of its own, and learns by its lock when one is gone.

import { type Clock } from '../../lib/clock.ts';
import { runAsync } from '../../lib/op.ts';
import type { CommitObserver, ExportedFilesystem, Notes } from '../../vfs/exported.ts';
import { type Link, localLinks } from './link.ts';
import { type ClientMessage, type HolderMessage, PROTOCOL_VERSION } from './messages.ts';
import type { RelayClient } from './relay-client.ts';
import { RelayServer } from './server.ts';
import type { TabChannel, Tabs } from './tabs.ts';

export interface SourceNames {
  /** The lock on the store, and the channel on which tabs find each other. */
  readonly source: string;
  /** What the lock of a client begins with, and the channel of one. */
  readonly client: string;
}

export function namesOf(source: string): SourceNames {
  return { source: `burrow:${source}`, client: `burrow-tab:${source}:` };
}

/** On the channel of the source. */
export type Greeting =
  /** A client looks for the holder. */
  | { readonly type: 'hello'; readonly version: number; readonly client: string }
  /** A new holder is there. */
  | { readonly type: 'holder'; readonly version: number; readonly holder: string };

/** On the channel of a client. */
export type Addressed =
  | { readonly type: 'welcome'; readonly version: number; readonly holder: string }
  | { readonly type: 'to-holder'; readonly holder: string; readonly message: ClientMessage }
  | { readonly type: 'to-client'; readonly holder: string; readonly message: HolderMessage };

/** How long a client that was there is waited for, in ms. */
const RECOVERY_MS = 5000;

export interface HolderOptions {
  readonly tabs: Tabs;
  readonly names: SourceNames;
  readonly clock: Clock;
  readonly filesystem: ExportedFilesystem;
  /** The client of this tab, if it had another holder before. */
  readonly own: RelayClient | undefined;
  /** A bug. */
  readonly onPanic: (error: unknown) => void;
}

export class Holder implements CommitObserver {
  readonly #options: HolderOptions;
  readonly #id: string;
  readonly #greetings: TabChannel;
  readonly #channels = new Map<string, TabChannel>();
  readonly #stopping = new AbortController();
  #server: RelayServer | undefined;
  #starting: Promise<RelayServer> | undefined;
  #cancelTimer: (() => void) | undefined;
  /** Clients that are being let in. */
  #joiningCount = 0;
  #isBarred = false;

  constructor(options: HolderOptions) {
    this.#options = options;
    const { tabs, names } = options;
    this.#id = `${tabs.id}/${tabs.random()}`;
    this.#greetings = tabs.openChannel(names.source);
    this.#greetings.onMessage = (message) => {
      const greeting = message as Greeting;
      if (greeting.type === 'hello') this.#run(this.#greeted(greeting));
    };
    options.filesystem.observeCommits(this);
    this.#run(this.#begin());
  }

  #run(work: Promise<unknown>): void {
    this.#joiningCount++;
    const ended = work.finally(() => {
      this.#joiningCount--;
    });
    ended.catch((error: unknown) => {
      // What was begun when the filesystem is released has nothing to do any more.
      if (!this.#isStopped) this.#options.onPanic(error);
    });
  }

  /** Takes over the clients of another holder, if there are any. */
  async #begin(): Promise<void> {
    const { tabs, names, own, clock } = this.#options;
    const held = await tabs.heldLocks(names.client);
    const clients = held.map((name) => name.slice(names.client.length));
    const others = clients.filter((client) => client !== tabs.id);
    if (own === undefined && others.length === 0) return;
    const server = await this.#serve([...others, ...(own === undefined ? [] : [tabs.id])]);
    if (this.#isStopped) return;
    for (const client of others) this.#follow(client);
    if (own !== undefined) {
      const [ownEnd, serverEnd] = localLinks<HolderMessage, ClientMessage>();
      server.connect(tabs.id, serverEnd);
      own.attach(ownEnd);
    }
    this.#greet({ type: 'holder', version: PROTOCOL_VERSION, holder: this.#id });
    this.#cancelTimer = clock.setTimer(RECOVERY_MS, () => {
      server.stopWaiting();
    });
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #greet(greeting: Greeting): void {
    this.#greetings.post(greeting);
  }

  /** The server is started when the first client comes. */
  #serve(expected: readonly string[]): Promise<RelayServer> {
    const { filesystem, tabs } = this.#options;
    const options = { filesystem, random: tabs.random(), expected };
    this.#starting ??= runAsync(RelayServer.start(options)).then((server) => {
      this.#server = server;
      return server;
    });
    return this.#starting;
  }

  async #greeted({ version, client }: Greeting & { readonly type: 'hello' }): Promise<void> {
    // It greets again.
    if (this.#isBarred) return;
    const { tabs, names } = this.#options;
    let channel = this.#channels.get(client);
    if (channel === undefined) {
      channel = tabs.openChannel(names.client + client);
      this.#channels.set(client, channel);
      if (version === PROTOCOL_VERSION) {
        const server = await this.#serve([]);
        if (this.#isStopped) return;
        this.#connect(server, client, channel);
        this.#follow(client);
      }
    }
    this.#address(channel, {
      type: 'welcome',
      version: PROTOCOL_VERSION,
      holder: this.#id,
    });
  }

  #address(channel: TabChannel, message: Addressed): void {
    if (!this.#isStopped) channel.post(message);
  }

  #connect(server: RelayServer, client: string, channel: TabChannel): void {
    const holder = this.#id;
    const link: Link<ClientMessage, HolderMessage> = {
      post: (message) => {
        this.#address(channel, { type: 'to-client', holder, message });
      },
      onMessage: () => undefined,
      close: () => undefined,
    };
    channel.onMessage = (message) => {
      const addressed = message as Addressed;
      if (addressed.type === 'to-holder' && addressed.holder === holder) {
        link.onMessage(addressed.message);
      }
    };
    server.connect(client, link);
  }

  readonly #followed = new Set<string>();

  /** A client's lock can be had when it is gone. */
  #follow(client: string): void {
    if (this.#followed.has(client)) return;
    this.#followed.add(client);
    const { tabs, names } = this.#options;
    const { signal } = this.#stopping;
    const gone = tabs.lock(names.client + client, signal).then(async (lock) => {
      this.#followed.delete(client);
      this.#channels.get(client)?.close();
      this.#channels.delete(client);
      this.#server?.disconnect(client);
      await lock.release();
    });
    gone.catch((error: unknown) => {
      if (!signal.aborted) this.#options.onPanic(error);
    });
  }

  // Of the filesystem.

  committing(): Notes {
    return this.#server?.committing() ?? new Map<string, Uint8Array>();
  }

  committed(): void {
    this.#server?.committed();
  }

  ended(): void {
    this.#server?.ended();
  }

  bar(): (() => void) | undefined {
    if (this.#joiningCount > 0 || this.#followed.size > 0) return undefined;
    this.#isBarred = true;
    return () => {
      this.#isBarred = false;
    };
  }

  /** Others go on with the next holder. Commits are still told of. */
  releasing(): void {
    if (this.#isStopped) return;
    this.#stopping.abort();
    this.#cancelTimer?.();
    this.#server?.stop();
    this.#greetings.close();
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }
}
