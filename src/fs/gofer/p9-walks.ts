// P9Walks: how a fid leads to others. Mirrors gVisor pkg/p9/client_file.go (Walk, WalkGetAttr).

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Statx } from '../../lisafs/records.ts';
import type { P9Client } from '../../p9/client.ts';
import { type Qid, QTSYMLINK, WALK_NAMES_MAX } from '../../p9/records.ts';
import { type FdRoom, isNoRoom } from './fd-room.ts';
import { ASKED, fidOf, statxOf } from './p9-statx.ts';
import type { Found, Walked } from './remote.ts';

/** A walk to one of the names. */
interface Step {
  readonly fid: number;
  readonly error: LinuxError | undefined;
  /** Undefined if there is no such name. */
  readonly qid: Qid | undefined;
  readonly statx: Statx | undefined;
}

export class P9Walks {
  readonly #client: P9Client;
  readonly #room: FdRoom;

  constructor(client: P9Client, room: FdRoom) {
    this.#client = client;
    this.#room = room;
  }

  /** Another fid of the same file. */
  clone(fid: number): Op<number> {
    return this.#room.ask([], () => this.tryClone(fid));
  }

  /** The same, for which nothing is given up. */
  *tryClone(fid: number): Op<number> {
    const newfid = this.#client.newFid();
    try {
      yield* this.#client.call('walk', { fid, newfid, names: [] });
      return newfid;
    } catch (error) {
      this.#client.closeFid(newfid);
      throw error;
    }
  }

  /** Symlinks end it. Errors: those of the first name, but for ENOENT. */
  *walk(root: number, names: readonly string[]): Op<Walked> {
    const found: Found[] = [];
    let start = root;
    try {
      for (let at = 0; at < names.length; at += WALK_NAMES_MAX) {
        const some = names.slice(at, at + WALK_NAMES_MAX);
        const from = start;
        const walked = yield* this.#room.ask([], () => this.#walkSome(from, some));
        found.push(...walked.found);
        if (walked.found.length < some.length) return { found, isMissing: walked.isMissing };
        start = assertDefined(found.at(-1)).fd.id;
      }
      return { found, isMissing: false };
    } catch (error) {
      for (const { fd } of found) this.#client.closeFid(fd.id);
      throw error;
    }
  }

  /** To each of the names at the same time: none of these walks needs another. */
  *#walkSome(from: number, names: readonly string[]): Op<Walked> {
    const fids = names.map(() => this.#client.newFid());
    const steps: Step[] = [];
    let kept = 0;
    try {
      const ops = this.#client.supports('walkgetattr')
        ? this.#walkGetattr(from, fids, names)
        : this.#walkPlain(from, fids, names);
      steps.push(...(yield* ops));
      const found: Found[] = [];
      for (const { error, qid, statx, fid } of steps) {
        // As far as it came isn't as far as it leads.
        if (error !== undefined && isNoRoom(error)) throw error;
        if (error !== undefined && error !== linuxerr.ENOENT && found.length === 0) throw error;
        if (qid === undefined || statx === undefined) {
          const isMissing = error === undefined || error === linuxerr.ENOENT;
          return { found, isMissing };
        }
        found.push({ fd: fidOf(fid), statx });
        kept++;
        if ((qid.type & QTSYMLINK) !== 0) break;
      }
      return { found, isMissing: false };
    } catch (error) {
      kept = 0;
      throw error;
    } finally {
      for (const fid of fids.slice(kept)) this.#client.closeFid(fid);
    }
  }

  *#walkGetattr(from: number, fids: readonly number[], names: readonly string[]): Op<Step[]> {
    const replies = fids.map((newfid, index) =>
      this.#client.send('walkgetattr', { fid: from, newfid, names: names.slice(0, index + 1) }),
    );
    const steps: Step[] = [];
    for (const [index, reply] of replies.entries()) {
      const fid = assertDefined(fids[index]);
      const answer = yield* answerOf(reply.wait());
      if (answer instanceof LinuxError) {
        steps.push({ fid, error: answer, qid: undefined, statx: undefined });
        continue;
      }
      const { qids, valid, attr } = answer;
      const qid = qids[index];
      const statx = qid === undefined ? undefined : statxOf(qid, valid, attr);
      steps.push({ fid, error: undefined, qid, statx });
    }
    return steps;
  }

  /** A server may do what is under way in any order, so that attributes are asked for later. */
  *#walkPlain(from: number, fids: readonly number[], names: readonly string[]): Op<Step[]> {
    const walks = fids.map((newfid, index) =>
      this.#client.send('walk', { fid: from, newfid, names: names.slice(0, index + 1) }),
    );
    const walked: { fid: number; error: LinuxError | undefined; qid: Qid | undefined }[] = [];
    for (const [index, reply] of walks.entries()) {
      const fid = assertDefined(fids[index]);
      const answer = yield* answerOf(reply.wait());
      const isError = answer instanceof LinuxError;
      const error = isError ? answer : undefined;
      walked.push({ fid, error, qid: isError ? undefined : answer.qids[index] });
    }
    const end = walked.findIndex(({ qid }) => qid === undefined);
    const reached = end < 0 ? walked : walked.slice(0, end);
    const replies = reached.map(({ fid }) =>
      this.#client.send('getattr', { fid, requestMask: ASKED }),
    );
    const steps: Step[] = [];
    for (const [index, each] of walked.entries()) {
      const reply = replies[index];
      if (reply === undefined) {
        steps.push({ ...each, statx: undefined });
        break;
      }
      const answer = yield* answerOf(reply.wait());
      if (answer instanceof LinuxError) {
        steps.push({ ...each, error: answer, statx: undefined });
        break;
      }
      steps.push({ ...each, statx: statxOf(answer.qid, answer.valid, answer.attr) });
    }
    return steps;
  }

  /** A fid of the file that is there, if it is the one with this QID. */
  *findAgain(root: number, names: readonly string[], path: bigint): Op<number | undefined> {
    const { found } = yield* this.walk(root, names);
    const last = found.at(-1);
    const isIt = found.length === names.length && last?.statx.ino === path;
    for (const { fd } of isIt ? found.slice(0, -1) : found) this.#client.closeFid(fd.id);
    return isIt ? last.fd.id : undefined;
  }
}

/** Errors: EIO if the link is gone; EINTR. */
function* answerOf<T>(op: Op<T>): Op<T | LinuxError> {
  try {
    return yield* op;
  } catch (error) {
    const isAnswer = error !== linuxerr.EIO && error !== linuxerr.EINTR;
    if (isAnswer && error instanceof LinuxError) return error;
    throw error;
  }
}
