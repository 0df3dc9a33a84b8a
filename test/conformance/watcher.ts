// Watcher: an inotify descriptor for the cases, whose events read as lines of text.

import type { Context } from './case.ts';
import type { InotifyEvent } from './inotify-events.ts';
import { Numbering } from './numbering.ts';
import type { Subject } from './subject.ts';
import {
  IN_ACCESS,
  IN_ALL_EVENTS,
  IN_ATTRIB,
  IN_CLOSE_NOWRITE,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_NONBLOCK,
  IN_OPEN,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} from '../../src/abi/inotify.ts';
import { equal } from './check.ts';
import { SyscallError } from './process.ts';

const MASK_NAMES: readonly (readonly [number, string])[] = [
  [IN_ACCESS, 'ACCESS'],
  [IN_MODIFY, 'MODIFY'],
  [IN_ATTRIB, 'ATTRIB'],
  [IN_CLOSE_WRITE, 'CLOSE_WRITE'],
  [IN_CLOSE_NOWRITE, 'CLOSE_NOWRITE'],
  [IN_OPEN, 'OPEN'],
  [IN_MOVED_FROM, 'MOVED_FROM'],
  [IN_MOVED_TO, 'MOVED_TO'],
  [IN_CREATE, 'CREATE'],
  [IN_DELETE, 'DELETE'],
  [IN_DELETE_SELF, 'DELETE_SELF'],
  [IN_MOVE_SELF, 'MOVE_SELF'],
  [IN_UNMOUNT, 'UNMOUNT'],
  [IN_Q_OVERFLOW, 'Q_OVERFLOW'],
  [IN_IGNORED, 'IGNORED'],
  [IN_ISDIR, 'ISDIR'],
];

export class Watcher {
  readonly fd: number;
  readonly #subject: Subject;
  readonly #labels = new Map<number, string>();
  readonly #cookies = new Numbering();

  private constructor(subject: Subject, fd: number) {
    this.#subject = subject;
    this.fd = fd;
  }

  static async open(subject: Subject): Promise<Watcher> {
    return new Watcher(subject, await subject.inotifyInit(IN_NONBLOCK));
  }

  /** Watches a path; its events will begin with `label`. Returns the watch descriptor. */
  async watch(label: string, path: string, mask = IN_ALL_EVENTS): Promise<number> {
    const wd = await this.#subject.addWatch(this.fd, path, mask);
    this.#labels.set(wd, label);
    return wd;
  }

  /** What is queued; nothing when the queue is empty. */
  async takeRaw(): Promise<InotifyEvent[]> {
    const events: InotifyEvent[] = [];
    try {
      for (;;) events.push(...(await this.#subject.readEvents(this.fd)));
    } catch (error) {
      if (error instanceof SyscallError && error.code === 'EAGAIN') return events;
      throw error;
    }
  }

  /** What is queued: `label: EVENT|FLAG name #cookie`, where there is a name or a cookie. */
  async take(): Promise<string[]> {
    return (await this.takeRaw()).map((event) => this.#print(event));
  }

  /** Exactly these events are queued. */
  async expect(...lines: readonly string[]): Promise<void> {
    equal(await this.take(), [...lines], 'events');
  }

  /** Exactly these events are queued, in whatever order. */
  async expectInAnyOrder(...lines: readonly string[]): Promise<void> {
    equal((await this.take()).sort(), [...lines].sort(), 'events in any order');
  }

  /** Forgets what is queued. */
  async drain(): Promise<void> {
    await this.takeRaw();
  }

  #print({ wd, mask, cookie, name }: InotifyEvent): string {
    const names = MASK_NAMES.filter(([bit]) => (mask & bit) !== 0).map(([, text]) => text);
    const parts = [`${this.#labels.get(wd) ?? wd}: ${names.join('|')}`];
    if (name !== '') parts.push(name);
    if (cookie !== 0) parts.push(`#${this.#cookies.of(cookie)}`);
    return parts.join(' ');
  }
}

/** A file `file` with text in it, its directory and itself watched. */
export async function watchFile(t: Context, flags = 0): Promise<Watcher> {
  await t.createFile(t.path('file'), 'text');
  const watcher = await Watcher.open(t);
  await watcher.watch('dir', t.root, IN_ALL_EVENTS | flags);
  await watcher.watch('self', t.path('file'), IN_ALL_EVENTS | flags);
  return watcher;
}
