// SteppedGofer: one execution on a gofer mount. The real client and the real server are joined by a
// link on which every frame, of either direction, waits for a step; so does the start of a program.
//
// Client and server use promises. After each step they run until nothing is left to do, which is
// the same every time: the clock stands still and the server's tree is in memory.

import { FakeClock } from '../../src/lib/clock.ts';
import { type Op, runAsync } from '../../src/lib/op.ts';
import { decodeUtf8 } from '../../src/lib/text.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { PAYLOAD_SIZE_MAX } from '../../src/lisafs/frame.ts';
import { Server } from '../../src/lisafs/server.ts';
import { LoopbackLink } from '../../src/transport/loopback.ts';
import type { Syscalls } from '../../src/syscalls/table.ts';
import type { Receiver, Transport } from '../../src/transport/transport.ts';
import { type Action, type Outcome, perform } from '../support/history/action.ts';
import { bootKernel } from '../support/kernels.ts';
import { leakedReferences } from '../support/references.ts';
import { MemoryTree } from '../unit/lisafs/memory-tree.ts';
import { settle } from '../unit/lisafs/raw-client.ts';

type MemoryInode = MemoryTree['top'];

export interface GoferScenario {
  /** A fact. */
  readonly title: string;
  /** Made before, by another task. */
  readonly tree: readonly Action[];
  readonly programs: readonly (readonly Action[])[];
}

/** Room for the largest frame's header. */
const HEADER_SIZE_MAX = 16;
/** Rounds in which a mount that is closed comes to rest; it takes one or two. */
const CLOSING_ROUNDS_MAX = 100;

/** Keeps back frames, in the order of each direction. */
class FrameGate {
  readonly toServer: (() => void)[] = [];
  readonly toClient: (() => void)[] = [];
  isStepped = false;

  wrap(transport: Transport): Transport {
    return new Proxy(transport, {
      get: (target, key): unknown => {
        if (key === 'send') {
          return (message: Uint8Array) => {
            const frame = message.slice();
            this.#pass(this.toServer, () => {
              target.send(frame);
            });
          };
        }
        if (key === 'start') {
          return (receiver: Receiver) => {
            target.start({
              onMessage: (message) => {
                const frame = message.slice();
                this.#pass(this.toClient, () => {
                  receiver.onMessage(frame);
                });
              },
              onClose: (info) => {
                receiver.onClose(info);
              },
            });
          };
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  }

  #pass(queue: (() => void)[], deliver: () => void): void {
    if (this.isStepped) queue.push(deliver);
    else deliver();
  }
}

/** What one of the choices of an execution does. */
type Choice = () => void;

class SteppedGofer {
  readonly #scenario: GoferScenario;
  readonly #tree = new MemoryTree();
  readonly #gate = new FrameGate();
  readonly #clock = new FakeClock();
  readonly #errors: unknown[] = [];
  readonly #server: Server;
  readonly #outcomes: Outcome[][];
  readonly #unstarted: Choice[] = [];
  #kernel: Kernel | undefined;
  #endedCount = 0;

  constructor(scenario: GoferScenario) {
    this.#scenario = scenario;
    this.#outcomes = scenario.programs.map(() => []);
    this.#server = new Server({
      root: () => this.#tree.root(),
      clock: this.#clock,
      randomBytes: (size) => new Uint8Array(size).fill(1),
      onError: (error) => this.#errors.push(error),
    });
  }

  /** Mounts, makes the tree, and keeps all frames back from then on. */
  async begin(cache: string): Promise<void> {
    const connectGofer = (): Promise<Transport> => {
      const messageSizeMax = PAYLOAD_SIZE_MAX + HEADER_SIZE_MAX;
      const link = new LoopbackLink({ clock: this.#clock, messageSizeMax });
      this.#server.accept(link.server);
      return Promise.resolve(this.#gate.wrap(link.client));
    };
    const spec = { type: 'gofer', source: 'ws://memory/', options: { cache } } as const;
    const kernel = await bootKernel(spec, { clock: this.#clock, connectGofer });
    this.#kernel = kernel;
    const { task, sys } = await runAsync(kernel.createTask({}));
    for (const action of this.#scenario.tree) await runAsync(perform(sys, action));
    task.end();
    for (const [index, program] of this.#scenario.programs.entries()) {
      const made = await runAsync(kernel.createTask({}));
      this.#unstarted.push(() => {
        runAsync(this.#program(made.sys, { program, index })).then(
          () => {
            made.task.end();
            this.#endedCount++;
          },
          (error: unknown) => this.#errors.push(error),
        );
      });
    }
    await settle();
    this.#gate.isStepped = true;
  }

  *#program(
    sys: Syscalls,
    { program, index }: { readonly program: readonly Action[]; readonly index: number },
  ): Op<void> {
    for (const action of program) this.#outcomes[index]!.push(yield* perform(sys, action));
  }

  /** How many choices there are now. The first goes on with what is under way. */
  get choiceCount(): number {
    return this.#choices.length;
  }

  get #choices(): Choice[] {
    const { toServer, toClient } = this.#gate;
    const queues = [toServer, toClient].filter(({ length }) => length > 0);
    const starts = this.#unstarted.map((start) => (): void => {
      this.#unstarted.splice(this.#unstarted.indexOf(start), 1);
      start();
    });
    const moves = queues.map((queue) => (): void => {
      queue.shift()!();
    });
    return [...moves, ...starts];
  }

  async step(choice: number): Promise<void> {
    this.#choices[choice]!();
    await settle();
  }

  /** Unmounts. What came of it: results and the server's tree. Throws if anything is left. */
  async end(): Promise<string> {
    if (this.#errors.length > 0) throw this.#errors[0] as Error;
    const { length } = this.#scenario.programs;
    if (this.#endedCount < length) throw new Error(`${length - this.#endedCount} can't go on`);
    this.#gate.isStepped = false;
    const kernel = this.#kernel!;
    const leaks = leakedReferences(kernel.vfs);
    if (leaks.length > 0) throw new Error(`references: ${leaks.join(', ')}`);
    let isDown = false;
    const shutdown = runAsync(kernel.shutdown()).then(() => {
      isDown = true;
    });
    for (let round = 0; round < CLOSING_ROUNDS_MAX && !isDown; round++) {
      await settle();
      this.#clock.advance(1000);
    }
    if (!isDown) throw new Error('the unmount does not end');
    await shutdown;
    this.#server.stop();
    await settle();
    if (this.#errors.length > 0) throw this.#errors[0] as Error;
    if (this.#tree.pinned > 0) throw new Error(`the server has ${this.#tree.pinned} files open`);
    const results = this.#outcomes.map((outcomes) => outcomes.join(' '));
    return [...results, ...describe(this.#tree.top)].join('\n');
  }
}

/** Files are told apart by what is in them, not by numbers. */
function describe(dir: MemoryInode, path = ''): string[] {
  return [...dir.names].toSorted().flatMap(([name, inode]) => {
    const line = `${path}/${name} ${inode.mode.toString(8)} ${decodeUtf8(inode.data)}`;
    return [line, ...describe(inode, `${path}/${name}`)];
  });
}

/** One execution: `schedule` says what is chosen, and after its end always the first choice. */
export async function execute(
  scenario: GoferScenario,
  { cache, schedule }: { readonly cache: string; readonly schedule: readonly number[] },
): Promise<{ text: string; counts: readonly number[] }> {
  const world = new SteppedGofer(scenario);
  await world.begin(cache);
  const counts: number[] = [];
  while (world.choiceCount > 0) {
    const choice = schedule[counts.length] ?? 0;
    counts.push(world.choiceCount);
    await world.step(choice);
  }
  return { text: await world.end(), counts };
}
