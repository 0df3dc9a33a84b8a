// Histories. Each is about some of the features only, so that the steps of these are many and meet.

import fc from 'fast-check';
import {
  AT_FDCWD,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import { IN_ALL_EVENTS, IN_NONBLOCK } from '../../../src/abi/inotify.ts';
import { everybody, type Weighted } from './arguments.ts';
import * as files from './file-steps.ts';
import * as special from './special-steps.ts';
import type { Step } from './step.ts';

const STEPS_MAX = 200;
/** With a tick after every step they take Linux four milliseconds each. */
const TIMED_STEPS_MAX = 30;

const FEATURES = {
  names: files.nameSteps,
  'rename flags': files.renameSteps,
  'nameless files': files.tmpfileSteps,
  attributes: files.attributeSteps,
  times: files.timeSteps,
  data: files.dataSteps,
  holes: files.holeSteps,
  fallocate: files.allocateSteps,
  'keep size': files.keepSizeSteps,
  copies: files.copySteps,
  'working directory': files.directorySteps,
  descriptors: special.descriptorSteps,
  poll: special.pollSteps,
  pipes: special.pipeSteps,
  nodes: special.nodeSteps,
  locks: special.lockSteps,
  xattrs: special.xattrSteps,
  watches: special.watchSteps,
} as const satisfies Record<string, () => Weighted[]>;

type Feature = keyof typeof FEATURES;

const ALWAYS: readonly Feature[] = ['names'];

export interface GenerateOptions {
  /** Features to leave out. */
  readonly without: ReadonlySet<Feature>;
  /** Sticky directories are as POSIX has them. */
  readonly sticky: boolean;
}

/** What every history starts with, so that there is something to act on. */
const PRELUDE: readonly Step[] = [
  ...[
    { who: 0, call: 'mkdirat' as const, args: [AT_FDCWD, '/a', 0o777, 0] },
    { who: 0, call: 'fchmodat' as const, args: [AT_FDCWD, '/a', 0o777, 0] },
    { who: 1, call: 'mkdirat' as const, args: [AT_FDCWD, '/a/a', 0o755, 0] },
    { who: 0, call: 'mkdirat' as const, args: [AT_FDCWD, '/b', 0o755, 0] },
    { who: 0, call: 'symlinkat' as const, args: ['a/c', AT_FDCWD, '/e', 0] },
    { who: 1, call: 'openat' as const, args: [AT_FDCWD, '/c', O_RDWR | O_CREAT, 0o644] },
    { who: 1, call: 'fchmod' as const, args: [3, 0o666] },
    { who: 0, call: 'openat' as const, args: [AT_FDCWD, '/a/c', O_RDWR | O_CREAT, 0o644] },
    { who: 1, call: 'pwrite' as const, args: [3, { seed: 1, length: 60_000 }, 0] },
    { who: 0, call: 'pwrite' as const, args: [3, { seed: 2, length: 5000 }, 30_000] },
  ],
  ...everybody('openat', AT_FDCWD, '/c', O_RDWR, 0),
  ...everybody('openat', AT_FDCWD, '/a', O_RDONLY | O_DIRECTORY, 0),
];

const WATCHES: readonly Step[] = [
  ...everybody('inotify_init1', IN_NONBLOCK),
  { who: 0, call: 'inotify_add_watch', args: [6, '/a', IN_ALL_EVENTS] },
  { who: 0, call: 'inotify_add_watch', args: [6, '/c', IN_ALL_EVENTS] },
  { who: 1, call: 'inotify_add_watch', args: [6, '/', IN_ALL_EVENTS] },
];

interface Tagged {
  readonly feature: Feature;
  readonly step: Step;
}

function taggedSteps(features: readonly Feature[]): fc.Arbitrary<Tagged> {
  const rows = features.flatMap((feature) =>
    FEATURES[feature]().map(([weight, arbitrary]) => ({
      weight,
      arbitrary: arbitrary.map((step): Tagged => ({ feature, step })),
    })),
  );
  return fc.oneof(...rows);
}

const STICKY = 0o1000;

/** Modes are the only arguments in which this bit alone says anything about a directory. */
function isSticky({ call, args }: Step): boolean {
  if (!['mkdirat', 'fchmodat', 'fchmod'].includes(call)) return false;
  return args.some((arg, index) => index > 0 && typeof arg === 'number' && (arg & STICKY) !== 0);
}

/** A listing. */
function fromTheStart(step: Step): Step[] {
  if (step.call !== 'getdents') return [step];
  return [{ who: step.who, call: 'lseek', args: [step.args[0] ?? 0, 0, SEEK_SET] }, step];
}

/** lseek(2) leaves open whether what was allocated and not written is data. */
const isAllocation = ({ call }: Step): boolean => call === 'fallocate';

export function histories(options: GenerateOptions): fc.Arbitrary<Step[]> {
  const all = (Object.keys(FEATURES) as Feature[]).filter((each) => !options.without.has(each));
  const optional = all.filter((feature) => !ALWAYS.includes(feature));
  const chosen = fc.oneof(
    { weight: 3, arbitrary: fc.subarray(optional, { maxLength: 4 }) },
    { weight: 1, arbitrary: fc.constant(optional) },
  );
  return chosen.chain((features) => {
    const steps = taggedSteps([...ALWAYS, ...features]);
    const starts = features.includes('watches') ? [...PRELUDE, ...WATCHES] : PRELUDE;
    const history = fc.array(steps, { maxLength: STEPS_MAX, size: 'max' });
    const timed = fc.integer({ min: 0, max: 19 });
    return fc.tuple(history, timed).map(([tagged, luck]) => {
      const allocates = tagged.some(({ step }) => isAllocation(step));
      const rest = tagged
        .filter(({ feature }) => feature !== 'holes' || !allocates)
        .map(({ step }) => step)
        .filter((step) => options.sticky || !isSticky(step))
        .flatMap(fromTheStart);
      return luck === 0 ? withTicks(starts, rest.slice(0, TIMED_STEPS_MAX)) : [...starts, ...rest];
    });
  });
}

/** A tick after every step: all stamps can be told apart. */
function withTicks(starts: readonly Step[], steps: readonly Step[]): Step[] {
  const tick: Step = { who: 0, call: 'tick', args: [] };
  return [...starts, ...steps].flatMap((step) => [step, tick]);
}
