// A site whose tabs are kernels on one thread: locks that go with a tab, and channels. Each tab can
// be killed at any moment: from then on nothing of it gets out, and its locks are free.

import type { TabChannel, TabLock, Tabs } from '../../src/fs/relayfs/tabs.ts';

interface Waiter {
  readonly tab: Tab;
  readonly grant: (lock: TabLock) => void;
}

interface HeldLock {
  readonly tab: Tab;
  readonly lock: TabLock;
}

export interface SiteOptions {
  /** Microtasks that each message takes, one after the other. Default: 1 each. */
  readonly delays?: readonly number[];
  /** What a tab has sent and nobody has got yet is lost with it. Default: it arrives. */
  readonly losesMessages?: boolean;
}

export class Site {
  readonly #held = new Map<string, HeldLock>();
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #channels = new Map<string, Set<SiteChannel>>();
  readonly #delays: readonly number[];
  readonly #losesMessages: boolean;
  #messageCount = 0;
  #deliveredCount = 0;
  #lastTab = 0;
  #lastRandom = 0;
  /** Called before each message is delivered, with how many there were before. */
  onMessage: (count: number) => void = () => undefined;

  constructor({ delays = [1], losesMessages = false }: SiteOptions = {}) {
    this.#delays = delays;
    this.#losesMessages = losesMessages;
  }

  openTab(): Tab {
    return new Tab(this, `tab-${++this.#lastTab}`);
  }

  random(): number {
    this.#lastRandom = (this.#lastRandom + 0.137) % 1;
    return this.#lastRandom;
  }

  lock(name: string, tab: Tab, signal: AbortSignal): Promise<TabLock> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(name) ?? [];
      const waiter = { tab, grant: resolve };
      waiters.push(waiter);
      this.#waiters.set(name, waiters);
      signal.addEventListener('abort', () => {
        const at = waiters.indexOf(waiter);
        if (at >= 0) waiters.splice(at, 1);
        reject(signal.reason as Error);
      });
      this.#grant(name);
    });
  }

  tryLock(name: string, tab: Tab): TabLock | undefined {
    if (this.#held.has(name)) return undefined;
    return this.#take(name, tab);
  }

  #take(name: string, tab: Tab): TabLock {
    const lock: TabLock = {
      release: () => {
        if (this.#held.get(name)?.lock === lock) this.#held.delete(name);
        this.#grant(name);
        return Promise.resolve();
      },
      onLost: () => undefined,
    };
    this.#held.set(name, { tab, lock });
    return lock;
  }

  #grant(name: string): void {
    if (this.#held.has(name)) return;
    const waiter = this.#waiters.get(name)?.shift();
    if (waiter !== undefined) waiter.grant(this.#take(name, waiter.tab));
  }

  ownerOf(name: string): Tab | undefined {
    return this.#held.get(name)?.tab;
  }

  heldLocks(prefix: string): string[] {
    return [...this.#held.keys()].filter((name) => name.startsWith(prefix));
  }

  openChannel(name: string, tab: Tab): SiteChannel {
    const channel = new SiteChannel(this, name, tab);
    const channels = this.#channels.get(name) ?? new Set();
    channels.add(channel);
    this.#channels.set(name, channels);
    return channel;
  }

  closeChannel(channel: SiteChannel): void {
    this.#channels.get(channel.name)?.delete(channel);
  }

  /** To every other channel of that name, in the order in which messages are sent. */
  send(from: SiteChannel, message: unknown): void {
    if (!from.tab.isAlive) return;
    const copy = structuredClone(message);
    for (const channel of this.#channels.get(from.name) ?? []) {
      if (channel === from) continue;
      const delay = this.#delays[this.#messageCount++ % this.#delays.length] ?? 1;
      channel.deliver(copy, delay, () => {
        if (this.#losesMessages && !from.tab.isAlive) return false;
        this.onMessage(++this.#deliveredCount);
        return true;
      });
    }
  }

  kill(tab: Tab): void {
    for (const channels of this.#channels.values()) {
      for (const channel of [...channels]) if (channel.tab === tab) channel.close();
    }
    for (const [name, waiters] of this.#waiters) {
      const others = waiters.filter((waiter) => waiter.tab !== tab);
      this.#waiters.set(name, others);
    }
    for (const [name, held] of [...this.#held]) {
      if (held.tab !== tab) continue;
      this.#held.delete(name);
      this.#grant(name);
    }
  }
}

export class Tab implements Tabs {
  readonly id: string;
  isAlive = true;
  /** Resolved once it is not frozen. */
  thawed: Promise<void> = Promise.resolve();
  #onThawed: () => void = () => undefined;
  /** Resolved when it is killed. */
  readonly killed: Promise<void>;
  #onKilled: () => void = () => undefined;
  readonly #site: Site;

  constructor(site: Site, id: string) {
    this.#site = site;
    this.id = id;
    this.killed = new Promise((resolve) => {
      this.#onKilled = resolve;
    });
  }

  lock(name: string, signal: AbortSignal): Promise<TabLock> {
    return this.isAlive ? this.#site.lock(name, this, signal) : new Promise(() => undefined);
  }

  tryLock(name: string): Promise<TabLock | undefined> {
    return Promise.resolve(this.#site.tryLock(name, this));
  }

  heldLocks(prefix: string): Promise<string[]> {
    return Promise.resolve(this.#site.heldLocks(prefix));
  }

  openChannel(name: string): TabChannel {
    return this.#site.openChannel(name, this);
  }

  random(): number {
    return this.#site.random();
  }

  /** It hears nothing until it is thawed, and has its locks. */
  freeze(): void {
    this.thawed = new Promise((resolve) => {
      this.#onThawed = resolve;
    });
  }

  thaw(): void {
    this.#onThawed();
  }

  /** As closing the tab: it doesn't get to do anything any more that others could notice. */
  kill(): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.#site.kill(this);
    this.#onKilled();
  }
}

class SiteChannel implements TabChannel {
  readonly name: string;
  readonly tab: Tab;
  onMessage: (message: unknown) => void = () => undefined;
  readonly #site: Site;
  #isOpen = true;
  /** Messages arrive in their order. */
  #last: Promise<void> = Promise.resolve();

  constructor(site: Site, name: string, tab: Tab) {
    this.#site = site;
    this.name = name;
    this.tab = tab;
  }

  post(message: unknown): void {
    this.#site.send(this, message);
  }

  /** `before`: false if it is lost. */
  deliver(message: unknown, delay: number, before: () => boolean): void {
    this.#last = this.#last.then(async () => {
      for (let i = 0; i < delay; i++) await Promise.resolve();
      await this.tab.thawed;
      if (!this.#isOpen) return;
      const arrives = before();
      if (arrives && this.#isOpen) this.onMessage(message);
    });
  }

  close(): void {
    this.#isOpen = false;
    this.#site.closeChannel(this);
  }
}
