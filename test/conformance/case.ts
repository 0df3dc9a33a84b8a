// Case: one sentence of a standard and the system calls that show it.
// Context: what a case is run with. Stage: where.

import { CheckFailed } from './check.ts';
import type { ProcessCalls, SubjectCredentials } from './process.ts';
import { O_CREAT, O_TRUNC, O_WRONLY } from '../../src/abi/fcntl.ts';
import { compareTimespec } from '../../src/lib/clock.ts';
import { Subject } from './subject.ts';

/** What not every filesystem of Linux can do. */
export type Feature =
  /** FALLOC_FL_ZERO_RANGE. */
  | 'zeroing ranges'
  /** FALLOC_FL_COLLAPSE_RANGE and FALLOC_FL_INSERT_RANGE. */
  | 'moving ranges'
  /** FALLOC_FL_PUNCH_HOLE behind the end, where FALLOC_FL_KEEP_SIZE allocated. */
  | 'punching beyond the end'
  | 'truncating to the same size without a trace'
  /** O_TMPFILE. */
  | 'files without a name'
  /** Character and block devices that mknod makes. */
  | 'device nodes'
  /** SEEK_HOLE tells of holes before the end. */
  | 'finding holes'
  /** Values of as many bytes as setxattr(2) takes. */
  | 'large extended attributes';

export interface Case {
  /** A fact in the present tense; errnos in capitals. Unique in the table. */
  readonly title: string;
  /** Whose rule it is: a man page, POSIX, a test of gVisor or pjdfstest, a section of vfs.md. */
  readonly origin: string;
  /** The case holds on filesystems that can do this: on one of Linux's, and on ours. */
  readonly needs?: readonly Feature[];
  readonly run: (t: Context) => Promise<void>;
}

export function canRun(testCase: Case, lacking: ReadonlySet<Feature>): boolean {
  return (testCase.needs ?? []).every((feature) => !lacking.has(feature));
}

/** A place to run cases at. */
export interface Stage {
  /** An absolute path that every user may search; directories of cases are made below it. */
  readonly directory: string;
  /** The calls of a new process of this user, with a descriptor table and umask of its own. */
  start(credentials: SubjectCredentials): Promise<ProcessCalls>;
  /** Ends the processes started for the last case. */
  endCase(): Promise<void>;
  close(): Promise<void>;
}

const ROOT: SubjectCredentials = { uid: 0, gid: 0, groups: [] };
/** An ordinary user. */
export const USER: SubjectCredentials = { uid: 1000, gid: 1000, groups: [] };
/** Another one, who shares no group with USER. */
export const OTHER: SubjectCredentials = { uid: 1001, gid: 1001, groups: [] };

const UMASK = 0o022;
const TICK_POLLS_MAX = 2000;

/** A Subject that acts as root, in a fresh empty directory `root` (mode 0777, owned by root). */
export class Context extends Subject {
  readonly root: string;
  readonly #stage: Stage;
  readonly #subjects: Subject[] = [];
  readonly #tickPath: string;

  constructor(calls: ProcessCalls, stage: Stage, container: string) {
    super(calls);
    this.root = `${container}/root`;
    this.#tickPath = `${container}/tick`;
    this.#stage = stage;
    this.#subjects.push(this);
  }

  /** The absolute path of a name in the case's directory. */
  path(name: string): string {
    return `${this.root}/${name}`;
  }

  /** Another process, of the given user, on the same tree. */
  async as(credentials: SubjectCredentials): Promise<Subject> {
    const subject = new Subject(await this.#stage.start(credentials));
    await subject.umask(UMASK);
    this.#subjects.push(subject);
    return subject;
  }

  /** Returns when every timestamp given from now on is later than all given before. */
  async tick(): Promise<void> {
    const before = await this.#stamp();
    for (let polls = 0; polls < TICK_POLLS_MAX; polls += 1) {
      if (compareTimespec(await this.#stamp(), before) > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new CheckFailed('the clock of the filesystem under test does not move');
  }

  async #stamp() {
    const fd = await this.open(this.#tickPath, O_WRONLY | O_CREAT | O_TRUNC);
    await this.write(fd, 'tick');
    const { mtime } = await this.fstat(fd);
    await this.close(fd);
    return mtime;
  }

  async closeSubjects(): Promise<void> {
    for (const subject of this.#subjects) await subject.closeAll();
  }
}

let containerCount = 0;

/** Runs one case in a directory of its own. */
export async function runCase(stage: Stage, testCase: Case): Promise<void> {
  containerCount += 1;
  const parent = stage.directory === '/' ? '' : stage.directory;
  const container = `${parent}/case-${containerCount}`;
  try {
    const t = new Context(await stage.start(ROOT), stage, container);
    await t.umask(UMASK);
    await t.mkdir(container, 0o755);
    await t.mkdir(t.root);
    await t.chmod(t.root, 0o777);
    await testCase.run(t);
    await t.closeSubjects();
  } finally {
    await stage.endCase();
  }
}
