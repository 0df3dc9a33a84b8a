// A history of calls on a mounted gofer, whose link is cut and whose server is killed again and
// again, compared with tmpfs call by call.
//
// A link that was cut changes nothing: every call has the outcome it has on tmpfs. When the server
// was killed, what was under way may fail with EIO. Then it is looked what came of it: each name
// and each byte is what it was at some time since the last sync before; if nothing failed, all must
// be as if nothing had happened.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { AT_FDCWD, O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { Credentials } from '../../../src/auth/credentials.ts';
import type { CacheMode } from '../../../src/fs/gofer/options.ts';
import type { Tmpfs } from '../../../src/fs/tmpfs/tmpfs.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { FakeClock, RealClock } from '../../../src/lib/clock.ts';
import { runAsync, runSync } from '../../../src/lib/op.ts';
import { FRAME_SIZE_MAX } from '../../../src/lisafs/frame.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { protocolsFor } from '../../../src/transport/gofer-url.ts';
import { connectWebSocket } from '../../../src/transport/web-socket.ts';
import { CuttingProxy } from '../../support/cutting-proxy.ts';
import { type GoferCommand, GoferProcess } from '../../support/gofer-process.ts';
import { openTmpfs, type Session } from '../../support/history/session.ts';
import { bootKernel } from '../../support/kernels.ts';
import {
  anyStep,
  closing,
  FIRST_STEPS,
  type Random,
  randomFrom,
  type Step,
  SYNC,
} from './steps.ts';
import {
  differences,
  hostTree,
  impossible,
  modelTree,
  plant,
  seenTree,
  type Tree,
} from './tree.ts';

const TOKEN = 'of the history';
/** Long enough for a server on any machine. */
const TIMEOUT_MS = 180_000;
/** Bytes through the proxy until it cuts, and until the server is killed, at most. */
const CUT_AFTER_MAX = 4000;
const KILL_AFTER_MAX = 20_000;
/** If so few have gone through after so many calls, it is killed all the same. */
const KILL_AFTER_STEPS = 40;
/** Calls whose failure is told later are made while there is no server, as well. */
const STEPS_WITHOUT_SERVER = 12;
const SYNCS_MAX = 3;
const LOG_LINES = 40;
const DONE = '"done"';

/** What calls may fail with whose names were being made when the server was killed. */
const CONSEQUENCES = new Set([
  ...['EIO', 'ENOENT', 'EEXIST', 'ESTALE', 'EBADF', 'ENOTEMPTY', 'ENOTDIR', 'EISDIR'],
]);

export interface HistoryOptions {
  readonly script: string;
  readonly cache: CacheMode;
  readonly operations: number;
  readonly disconnections: number;
  readonly restarts: number;
  readonly seed: number;
  /** Gets a line now and then. */
  readonly say: (line: string) => void;
}

export interface HistoryResult {
  readonly operations: number;
  readonly disconnections: number;
  readonly restarts: number;
  /** Restarts that nobody noticed. */
  readonly unnoticed: number;
  /** Those of them that happened while data was written and synced. */
  readonly dataRestarts: number;
  /** Trees on the host that were compared with the model. */
  readonly compared: number;
}

export class History {
  readonly #options: HistoryOptions;
  readonly #random: Random;
  readonly #proxy: CuttingProxy;
  readonly #command: GoferCommand;
  #server: GoferProcess;
  #kernel!: Kernel;
  #sys!: Syscalls;
  #model: Session<Tmpfs> = openTmpfs(new FakeClock());
  /** Open files, which have the same numbers here and there. */
  readonly #fds = new Set<number>();
  readonly #log: string[] = [];
  readonly #counts = { operations: 0, restarts: 0, unnoticed: 0, dataRestarts: 0, compared: 0 };
  #cutsWanted = 0;
  #cutsArmed = 0;

  private constructor(
    options: HistoryOptions,
    parts: { proxy: CuttingProxy; command: GoferCommand; server: GoferProcess },
  ) {
    this.#options = options;
    this.#random = randomFrom(options.seed);
    this.#proxy = parts.proxy;
    this.#command = parts.command;
    this.#server = parts.server;
    this.#proxy.target = parts.server.port;
  }

  /** Errors: Error that says what was wrong, and what was done before. */
  static async play(options: HistoryOptions): Promise<HistoryResult> {
    const folder = await mkdtemp(join(tmpdir(), 'burrow-history-'));
    const command = { script: options.script, folder, token: TOKEN };
    const proxy = await CuttingProxy.open();
    const server = await GoferProcess.start(command);
    const history = new History(options, { proxy, command, server });
    try {
      return await history.#play();
    } catch (error) {
      const lines = history.#log.slice(-LOG_LINES).join('\n');
      throw new Error(`${String(error)}\nseed ${options.seed}, the last calls:\n${lines}`, {
        cause: error,
      });
    } finally {
      await history.#server.kill();
      await proxy.close();
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #play(): Promise<HistoryResult> {
    const { operations, disconnections, restarts, say, cache } = this.#options;
    await this.#mount();
    for (const step of FIRST_STEPS) await this.#doStrictly(step);
    const isOver = (): boolean =>
      this.#counts.operations >= operations &&
      this.#proxy.cutCount >= disconnections &&
      this.#counts.restarts >= restarts;
    while (!isOver()) {
      const share = this.#counts.operations / operations;
      this.#cutsWanted = Math.min(disconnections, Math.ceil(share * disconnections));
      this.#armCut();
      if (this.#counts.restarts < Math.min(restarts, Math.floor(share * (restarts + 1)))) {
        await this.#restart();
        const { operations: done } = this.#counts;
        say(`${cache}: ${done} calls, ${this.#proxy.cutCount} cuts, ${this.#summary()}`);
      } else await this.#doStrictly(this.#next(false));
    }
    await this.#end();
    return { ...this.#counts, disconnections: this.#proxy.cutCount };
  }

  #summary(): string {
    const { restarts, unnoticed, compared } = this.#counts;
    return `${restarts} kills (${unnoticed} unnoticed), ${compared} trees compared`;
  }

  async #end(): Promise<void> {
    for (const fd of this.#fds) await this.#doStrictly(closing(fd));
    await this.#doStrictly(SYNC);
    this.#expectNone(differences(await runAsync(seenTree(this.#sys)), this.#tree()), 'a program');
    await runAsync(this.#kernel.shutdown());
    this.#expectNone(differences(await this.#onHost(), this.#tree()), 'the host');
  }

  async #mount(): Promise<void> {
    const { cache } = this.#options;
    const clock = new RealClock();
    const options = { cache, token: () => TOKEN, timeout: TIMEOUT_MS };
    const source = `ws://127.0.0.1:${this.#proxy.port}/`;
    this.#kernel = await bootKernel(
      { type: 'gofer', source, options },
      {
        clock,
        connectGofer: ({ token }) =>
          connectWebSocket(source, {
            clock,
            messageSizeMax: FRAME_SIZE_MAX,
            timeoutMs: 20_000,
            protocols: ['lisafs'],
            extraProtocols: protocolsFor(token),
            WebSocket,
          }),
      },
    );
    const creds = new Credentials(0, 0, []);
    this.#sys = (await runAsync(this.#kernel.createTask({ creds }))).sys;
  }

  #next(isData: boolean): Step {
    return anyStep(this.#random, [...this.#fds], isData);
  }

  #tree(): Tree {
    return modelTree(this.#model.filesystem);
  }

  #onHost(): Promise<Tree> {
    this.#counts.compared++;
    return hostTree(this.#command.folder);
  }

  /** One cut after the other, each at some byte of what comes next. */
  #armCut(): void {
    if (this.#proxy.isArmed || this.#cutsArmed >= this.#cutsWanted) return;
    this.#cutsArmed++;
    this.#proxy.after(1 + this.#random(CUT_AFTER_MAX), 'cut');
  }

  /** Does it here and there. Returns the outcomes. */
  async #do(step: Step): Promise<{ readonly outcome: string; readonly wanted: string }> {
    const wanted = runSync(step.run(this.#model.sys));
    const outcome = await runAsync(step.run(this.#sys));
    this.#counts.operations++;
    const note = outcome === wanted ? '' : `, and not ${wanted}`;
    this.#log.push(`${step.text} = ${outcome}${note}`);
    if (step.kind === 'open' && /^\d+$/.test(wanted)) this.#fds.add(Number(wanted));
    if (step.kind === 'close' && step.fd !== undefined) this.#fds.delete(step.fd);
    return { outcome, wanted };
  }

  async #doStrictly(step: Step): Promise<void> {
    const { outcome, wanted } = await this.#do(step);
    if (outcome !== wanted) throw new Error(`${step.text}: ${outcome}, and not ${wanted}`);
    if (step.kind === 'sync') {
      this.#expectNone(differences(await this.#onHost(), this.#tree()), 'the host, synced');
    } else if (step.kind === 'fsync' && outcome === DONE) await this.#checkSynced(step);
  }

  /** What was synced is on the host, by whatever name. */
  async #checkSynced({ fd = -1 }: Step): Promise<void> {
    const { ino } = runSync(this.#model.sys.fstat(fd));
    const isIt = (path: string, tree: Tree): boolean => {
      const entry = tree.get(path);
      return entry?.kind === 'file' && entry.ino === ino;
    };
    const tree = this.#tree();
    const path = [...tree.keys()].find((each) => isIt(each, tree));
    if (path === undefined) return;
    const found = differences(await this.#onHost(), tree).filter((text) =>
      text.startsWith(`${path} `),
    );
    this.#expectNone(found, 'the host, after fsync');
  }

  #expectNone(problems: readonly string[], where: string): void {
    if (problems.length > 0) throw new Error(`${where}: ${problems.join('; ')}`);
  }

  // ---- The server is killed ----

  async #restart(): Promise<void> {
    // The cut that is to come, first.
    while (this.#proxy.isArmed) await this.#doStrictly(this.#next(false));
    // Of data alone nothing is lost, if nobody else may write.
    const isData = this.#random(2) === 0;
    if (isData) await this.#openNamed();
    await this.#doStrictly(SYNC);
    const versions = [this.#tree()];
    const killed = this.#killSoon();
    let isDamaged = await this.#goOn({ isData, versions, hasBegun: () => killed.begun });
    if (!killed.begun) this.#proxy.actNow();
    await killed.ended();
    isDamaged = (await this.#syncAgain()) || isDamaged;
    this.#counts.restarts++;
    const isSafe = isData && this.#options.cache !== 'shared';
    if (isDamaged && isSafe) throw new Error('data was written, and it failed');
    if (isDamaged) await this.#lookWhatCameOfIt(versions);
    else await this.#goOnAsBefore(isSafe);
  }

  /** Kills it at some byte of what comes, and starts another one. */
  #killSoon(): { begun: boolean; ended: () => Promise<void> } {
    const restart = async (): Promise<void> => {
      this.#proxy.target = undefined;
      await this.#server.kill();
      this.#server = await GoferProcess.start(this.#command);
      this.#proxy.target = this.#server.port;
    };
    let restarting: Promise<void> | undefined;
    const killed = { begun: false, ended: async () => restarting };
    this.#proxy.after(1 + this.#random(KILL_AFTER_MAX), () => {
      killed.begun = true;
      this.#log.push('--- the server is killed');
      restarting = restart();
    });
    return killed;
  }

  /** Calls until some time after the kill, or one fails. Returns whether one did. */
  async #goOn(at: {
    readonly isData: boolean;
    readonly versions: Tree[];
    readonly hasBegun: () => boolean;
  }): Promise<boolean> {
    const isExclusive = this.#options.cache === 'exclusive';
    let left = isExclusive ? this.#random(STEPS_WITHOUT_SERVER) : 0;
    for (let count = 0; count < KILL_AFTER_STEPS; count++) {
      if (at.hasBegun() && left-- <= 0) return false;
      const isFirst = at.versions.length === 1;
      const step = this.#next(at.isData);
      const { outcome, wanted } = await this.#do(step);
      at.versions.push(this.#tree());
      if (outcome === wanted) continue;
      const mayBe = at.hasBegun() && (outcome === 'EIO' || (isExclusive && !isFirst));
      if (!mayBe || !CONSEQUENCES.has(outcome)) {
        throw new Error(`${step.text}: ${outcome}, and not ${wanted}`);
      }
      return true;
    }
    return false;
  }

  /** Failures that nobody was told of are told once. Returns whether there were any. */
  async #syncAgain(): Promise<boolean> {
    for (let times = 0; times < SYNCS_MAX; times++) {
      const outcome = await runAsync(SYNC.run(this.#sys));
      this.#log.push(`sync() = ${outcome}, with another server`);
      if (outcome === DONE) return times > 0;
    }
    throw new Error('sync fails again and again');
  }

  /** Files that are open and have names, for data to be written to. */
  async #openNamed(): Promise<void> {
    await this.#closeNameless();
    for (const name of ['/data-1', '/data-2']) {
      const flags = O_RDWR | O_CREAT;
      await this.#doStrictly({
        kind: 'open',
        text: `openat("${name}")`,
        *run(sys) {
          return String(yield* sys.openat(AT_FDCWD, name, flags, 0o644));
        },
      });
    }
  }

  /** Nothing leads to them any more on another server. */
  async #closeNameless(): Promise<void> {
    for (const fd of [...this.#fds]) {
      if (runSync(this.#model.sys.fstat(fd)).nlink > 0) continue;
      await this.#do(closing(fd));
    }
  }

  /** Nobody has noticed anything. */
  async #goOnAsBefore(isSafe: boolean): Promise<void> {
    this.#counts.unnoticed++;
    if (isSafe) this.#counts.dataRestarts++;
    this.#expectNone(differences(await this.#onHost(), this.#tree()), 'the host, unharmed');
    await this.#closeNameless();
    this.#expectNone(differences(await runAsync(seenTree(this.#sys)), this.#tree()), 'a program');
  }

  /** Something was told to have failed. The history goes on with what is there. */
  async #lookWhatCameOfIt(versions: readonly Tree[]): Promise<void> {
    const found = await this.#onHost();
    this.#expectNone(impossible(found, versions), 'the host, after a failure');
    for (const fd of this.#fds) await runAsync(closing(fd).run(this.#sys));
    this.#fds.clear();
    const seen = await runAsync(seenTree(this.#sys));
    this.#expectNone(impossible(seen, versions), 'a program, after a failure');
    const kinds = (tree: Tree): string =>
      [...tree]
        .map(([path, { kind }]) => `${path} ${kind}`)
        .sort()
        .join();
    if (kinds(seen) !== kinds(found)) throw new Error(`seen: ${kinds(seen)}; is: ${kinds(found)}`);
    // What failed to be written may still be seen here, as on any filesystem.
    await runAsync(this.#kernel.shutdown());
    await this.#mount();
    this.#model = openTmpfs(new FakeClock());
    runSync(plant(this.#model.sys, found));
  }
}
