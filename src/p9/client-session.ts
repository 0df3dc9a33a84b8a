// What a client does first on a link: agrees on version and size, and attaches. 9P: version(5),
// attach(5); gVisor pkg/p9/client.go for its versions.

import { LinuxError, linuxerr } from '../abi/errno.ts';
import type { Op } from '../lib/op.ts';
import type { P9Calls } from './client-calls.ts';
import type { P9Link } from './client-link.ts';
import { P9Request } from './client-request.ts';
import { payloadSizeMax } from './frame.ts';
import type { MessageName, RMessage, TMessage } from './messages.ts';
import { type Attr, GETATTR_BASIC, GETATTR_BTIME, NOFID, type Qid } from './records.ts';
import { parseVersion, versionText } from './version.ts';

/**
 * Who attaches. Permissions are checked by the kernel that has mounted the tree, for users a server
 * knows nothing of, so that it is served as root if the server allows that.
 */
const UNAME = 'root';
const N_UNAME = 0;

export interface SessionOptions {
  readonly rootFid: number;
  readonly aname: string;
}

export interface P9Root {
  readonly fid: number;
  readonly qid: Qid;
  readonly valid: bigint;
  readonly attr: Attr;
}

/** Errors: those of connecting and attaching; EPROTONOSUPPORT if they have no version in common. */
export function* agreeOnVersion(calls: P9Calls, link: P9Link, versionMax: number): Op<number> {
  for (let asked = versionMax; ;) {
    const answer = yield* askFor(calls, link, asked);
    if (answer instanceof LinuxError) {
      if (asked === 0 || link.isGone) throw answer;
      // gVisor's way to say that it knows earlier ones. Any other doesn't know what these are.
      asked = answer === linuxerr.EAGAIN ? asked - 1 : 0;
      continue;
    }
    const version = parseVersion(answer.version);
    if (version !== undefined && version <= asked) {
      link.msize = Math.min(link.msize, answer.msize);
      if (payloadSizeMax(link.msize) === 0) {
        throw link.fail(`the server takes messages of no more than ${link.msize} bytes`);
      }
      return version;
    }
    if (asked === 0) {
      link.fail(`the server speaks ${answer.version}, not ${versionText(0)}`);
      throw linuxerr.EPROTONOSUPPORT;
    }
    asked = 0;
  }
}

function* askFor(
  calls: P9Calls,
  link: P9Link,
  version: number,
): Op<RMessage<'version'> | LinuxError> {
  try {
    const values = { msize: link.msize, version: versionText(version) };
    return yield* urgentCall(calls, 'version', values);
  } catch (error) {
    if (error instanceof LinuxError) return error;
    throw error;
  }
}

/** Errors: the server's. */
export function* attach(calls: P9Calls, { rootFid: fid, aname }: SessionOptions): Op<P9Root> {
  const values = { fid, afid: NOFID, uname: UNAME, aname, nUname: N_UNAME };
  const { qid } = yield* urgentCall(calls, 'attach', values);
  const requestMask = BigInt(GETATTR_BASIC | GETATTR_BTIME);
  const { valid, attr } = yield* urgentCall(calls, 'getattr', { fid, requestMask });
  return { fid, qid, valid, attr };
}

function* urgentCall<Name extends MessageName>(
  calls: P9Calls,
  name: Name,
  values: TMessage<Name>,
): Op<RMessage<Name>> {
  const request = new P9Request(name, values, { kind: 'urgent' });
  calls.add(request);
  return (yield* request.wait()) as RMessage<Name>;
}
