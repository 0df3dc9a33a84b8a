// SharedSource: a store that several tabs use. One of them holds it, the others are its clients;
// each of those waits for the lock, and takes over when it gets it.

import { assertDefined, InvariantError } from '../../lib/assert.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Op, runAsync, waitFor } from '../../lib/op.ts';
import type { ExportedFilesystem } from '../../vfs/exported.ts';
import type { Filesystem, StoreHolder } from '../../vfs/filesystem.ts';
import { type Addressed, type Greeting, Holder, namesOf, type SourceNames } from './holder.ts';
import type { Link } from './link.ts';
import { type ClientMessage, type HolderMessage, PROTOCOL_VERSION } from './messages.ts';
import { Relayfs } from './relayfs.ts';
import type { TabChannel, TabLock, Tabs } from './tabs.ts';

/** How often a client greets a holder that doesn't answer, in ms. */
const GREETING_MS = 250;

export interface SharedSourceOptions {
  readonly tabs: Tabs;
  readonly source: string;
  readonly dev: number;
  readonly clock: Clock;
  /** How long the holder is given to answer, in ms. */
  readonly timeoutMs: number;
  /** Opens the store, whose lock is held, and mounts it. It releases the lock in the end. */
  readonly openHeld: (
    lock: TabLock,
    options: { readonly keepsOrphans: boolean },
  ) => Promise<ExportedFilesystem>;
  /** Why it can't be had in time. */
  readonly unavailable: (why: 'silent' | 'version') => Error;
  /** The holder has changed, or there is none for the time being. */
  readonly onHolderChanged: (holder: StoreHolder) => void;
  /** This tab, which was a client, doesn't use the store any more. */
  readonly onClosed: () => void;
  /** A bug. */
  readonly onPanic: (error: unknown) => void;
}

/** Mounts a store that other tabs may use too. Errors: those of openHeld() and unavailable(). */
export async function openSharedSource(options: SharedSourceOptions): Promise<Filesystem> {
  const names = namesOf(options.source);
  const lock = await options.tabs.tryLock(names.source);
  if (lock === undefined) return await new Client(options, names).open();
  return await hold(options, names, lock);
}

async function hold(
  options: SharedSourceOptions,
  names: SourceNames,
  lock: TabLock,
): Promise<Filesystem> {
  const { tabs, clock, onPanic } = options;
  // A client may be there, between a holder that is gone and this one.
  const others = await tabs.heldLocks(names.client);
  const filesystem = await options.openHeld(lock, { keepsOrphans: others.length > 0 });
  new Holder({ tabs, names, clock, filesystem, own: undefined, onPanic });
  return filesystem;
}

class Client {
  readonly #options: SharedSourceOptions;
  readonly #names: SourceNames;
  readonly #relayfs: Relayfs;
  readonly #greetings: TabChannel;
  readonly #channel: TabChannel;
  readonly #stopping = new AbortController();
  #ownLock: TabLock | undefined;
  #holder = '';
  /** What this tab holds, once it has taken over. */
  #held: ExportedFilesystem | undefined;
  #onReady: (() => void) | undefined;
  #onFailed: ((error: unknown) => void) | undefined;
  #cancelGreeting: () => void = () => undefined;
  #isOpen = false;
  #toldHolder: StoreHolder = 'none';
  /** Settled when this tab has taken over, has failed to, or will not any more. */
  #takingOver: Promise<void> = Promise.resolve();

  constructor(options: SharedSourceOptions, names: SourceNames) {
    const { tabs, dev, clock } = options;
    this.#options = options;
    this.#names = names;
    this.#relayfs = new Relayfs({ dev, clock, onReleased: () => this.#released() });
    this.#greetings = tabs.openChannel(names.source);
    this.#channel = tabs.openChannel(names.client + tabs.id);
  }

  async open(): Promise<Filesystem> {
    const { tabs, clock, timeoutMs } = this.#options;
    const { signal } = this.#stopping;
    this.#ownLock = await tabs.lock(this.#names.client + tabs.id, signal);
    this.#greetings.onMessage = (message) => {
      if ((message as Greeting).type === 'holder') this.#greet();
    };
    this.#channel.onMessage = (message) => {
      this.#addressed(message as Addressed);
    };
    const ready = new Promise<void>((resolve, reject) => {
      this.#onReady = resolve;
      this.#onFailed = reject;
    });
    const cancelTimer = clock.setTimer(timeoutMs, () => {
      this.#onFailed?.(this.#options.unavailable('silent'));
    });
    this.#waitForLock(signal);
    this.#greet();
    this.#followHolder();
    try {
      await ready;
      this.#isOpen = true;
      return this.#relayfs;
    } catch (error) {
      await runAsync(this.#released());
      throw error;
    } finally {
      cancelTimer();
    }
  }

  #followHolder(): void {
    const { client } = this.#relayfs;
    client.holderChanged.subscribe(() => {
      if (this.#stopping.signal.aborted) return;
      if (client.isAttached) this.#onReady?.();
      const { holder } = this.#relayfs;
      if (holder !== this.#toldHolder) this.#options.onHolderChanged(holder);
      this.#toldHolder = holder;
      this.#followHolder();
    });
  }

  /** Again and again, until somebody answers. */
  #greet(): void {
    this.#cancelGreeting();
    if (this.#stopping.signal.aborted) return;
    const { tabs, clock } = this.#options;
    const greeting: Greeting = { type: 'hello', version: PROTOCOL_VERSION, client: tabs.id };
    this.#greetings.post(greeting);
    this.#cancelGreeting = clock.setTimer(GREETING_MS, () => {
      this.#greet();
    });
  }

  #addressed(addressed: Addressed): void {
    if (addressed.type !== 'welcome') return;
    this.#cancelGreeting();
    if (addressed.version !== PROTOCOL_VERSION) {
      this.#onFailed?.(this.#options.unavailable('version'));
      return;
    }
    if (addressed.holder === this.#holder) return;
    this.#holder = addressed.holder;
    this.#relayfs.client.attach(this.#linkTo(addressed.holder));
  }

  #linkTo(holder: string): Link<HolderMessage, ClientMessage> {
    const link: Link<HolderMessage, ClientMessage> = {
      post: (message) => {
        const addressed: Addressed = { type: 'to-holder', holder, message };
        this.#channel.post(addressed);
      },
      onMessage: () => undefined,
      close: () => undefined,
    };
    this.#channel.onMessage = (message) => {
      const addressed = message as Addressed;
      if (addressed.type === 'to-client' && addressed.holder === holder) {
        link.onMessage(addressed.message);
      } else this.#addressed(addressed);
    };
    return link;
  }

  #waitForLock(signal: AbortSignal): void {
    const taken = this.#options.tabs.lock(this.#names.source, signal).then((lock) => {
      if (signal.aborted) return lock.release();
      return this.#takeOver(lock);
    });
    this.#takingOver = taken.catch((error: unknown) => {
      if (!signal.aborted) this.#failed(error);
    });
  }

  /** The store can't be opened: it is damaged, or the browser has lost it. */
  #failed(error: unknown): void {
    if (error instanceof InvariantError || !(error instanceof Error)) {
      this.#options.onPanic(error);
    } else if (this.#isOpen) this.#relayfs.fail(error);
    else this.#onFailed?.(error);
  }

  /** The holder is gone. */
  async #takeOver(lock: TabLock): Promise<void> {
    const { tabs, clock, onPanic } = this.#options;
    const { client } = this.#relayfs;
    client.detach();
    this.#cancelGreeting();
    this.#greetings.close();
    this.#channel.close();
    const filesystem = await this.#options.openHeld(lock, { keepsOrphans: true });
    this.#held = filesystem;
    if (this.#stopping.signal.aborted) return;
    this.#relayfs.isHeldHere = true;
    new Holder({ tabs, names: this.#names, clock, filesystem, own: client, onPanic });
  }

  *#released(): Op<void> {
    this.#stopping.abort();
    this.#cancelGreeting();
    this.#greetings.close();
    this.#channel.close();
    yield* waitFor(this.#takingOver);
    if (this.#held !== undefined) yield* this.#held.release();
    yield* waitFor(assertDefined(this.#ownLock).release());
    this.#options.onClosed();
  }
}
