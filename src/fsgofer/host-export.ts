// HostExport: a directory of the host for a lisafs server to serve. Each client has its own budget
// of descriptors, and all together the export's.

import { linuxerr } from '../abi/errno.ts';
import type { Op } from '../lib/op.ts';
import type { PinnedFile } from '../served/served-file.ts';
import { ComparingWatcher } from './comparing-watcher.ts';
import { ExportPolicy, type ExportRules } from './export-policy.ts';
import type { HostDirectory } from './host-directory.ts';
import { FdBudget } from './host-fd.ts';
import { type HostRootOptions, openHostRoot } from './host-root.ts';
import { untilOpen } from './host-wait.ts';
import type { HostWatcher } from './host-watcher.ts';
import { InotifyWatcher } from './inotify-watcher.ts';
import type { Host } from './place.ts';
import { ServedHostFile } from './served-host-file.ts';
import { Watching } from './watching.ts';

export interface HostExportOptions extends ExportRules, Omit<HostRootOptions, 'budget'> {
  /** Descriptors of all clients, and one of the root (ENFILE). */
  readonly fdsMax: number;
  /** Of one client (EMFILE). */
  readonly clientFdsMax: number;
  /** Files and directories that are watched for one client (ENOSPC). */
  readonly clientWatchesMax?: number;
}

const CLIENT_WATCHES_MAX = 8192;

/** What is a client's own. */
interface ClientLimits {
  readonly budget: FdBudget;
  readonly watching: Watching;
}

interface Parts {
  readonly root: HostDirectory;
  readonly host: Host;
  readonly policy: ExportPolicy;
  readonly clientFdsMax: number;
  readonly clientWatchesMax: number;
}

export class HostExport {
  readonly #root: HostDirectory;
  readonly #host: Host;
  readonly #policy: ExportPolicy;
  readonly #clientFdsMax: number;
  readonly #clientWatchesMax: number;
  readonly #watcher: HostWatcher;
  readonly #limits = new WeakMap<object, ClientLimits>();

  private constructor({ root, host, policy, clientFdsMax, clientWatchesMax }: Parts) {
    this.#root = root;
    this.#host = host;
    this.#policy = policy;
    this.#clientFdsMax = clientFdsMax;
    this.#clientWatchesMax = clientWatchesMax;
    const { calls, clock } = host;
    this.#watcher =
      calls.inotify === undefined
        ? new ComparingWatcher()
        : new InotifyWatcher(calls.inotify, clock);
  }

  /**
   * All clients get this very directory, whatever becomes of its path.
   * Errors: those of openHostRoot(); EINVAL for ranges of ids that overlap.
   */
  static async open(path: string, options: HostExportOptions): Promise<HostExport> {
    const { clock, calls, access, fdsMax, clientFdsMax, clientWatchesMax, ...rules } = options;
    const budget = new FdBudget({ fdsMax, error: linuxerr.ENFILE });
    const host = { clock, calls, budget };
    const policy = new ExportPolicy(rules);
    const root = await openHostRoot(path, { ...host, ...(access !== undefined && { access }) });
    return new HostExport({
      root,
      host,
      clientFdsMax,
      clientWatchesMax: clientWatchesMax ?? CLIENT_WATCHES_MAX,
      policy,
    });
  }

  /** Descriptors that are open. */
  get fdCount(): number {
    return this.#host.budget.fdCount;
  }

  /** The root for a client: what a server's options ask for. Errors: EMFILE, ENFILE. */
  *pin(client: object): Op<PinnedFile> {
    const { budget, watching } = this.#limitsOf(client);
    const host = { ...this.#host, budget };
    const walked = yield* untilOpen(
      () => this.#root.again(host),
      ({ file }) => file.close(),
    );
    const policy = this.#policy;
    const file = new ServedHostFile({ walked, policy, watching, position: undefined });
    return { file, statx: policy.shown(walked.stat) };
  }

  /** Descriptors that are taken for what a client is going to make: up to `count`. */
  readonly reserve = {
    take: (client: object, count: number): number => this.#limitsOf(client).budget.takeUpTo(count),
    give: (client: object, count: number): void => {
      const { budget } = this.#limitsOf(client);
      for (let given = 0; given < count; given++) budget.give();
    },
  };

  #limitsOf(client: object): ClientLimits {
    const known = this.#limits.get(client);
    if (known !== undefined) return known;
    const fdsMax = this.#clientFdsMax;
    const parent = this.#host.budget;
    const budget = new FdBudget({ fdsMax, error: linuxerr.EMFILE, parent });
    const watches = new FdBudget({ fdsMax: this.#clientWatchesMax, error: linuxerr.ENOSPC });
    const watching = new Watching(this.#watcher, watches, this.#host.clock);
    const limits = { budget, watching };
    this.#limits.set(client, limits);
    return limits;
  }

  /** After the server has stopped. What clients had open is closed by itself. */
  close(): Promise<void> {
    return this.#root.close();
  }
}
