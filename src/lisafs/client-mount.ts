// Mount: what a client does first in a new session.

import { linuxerr } from '../abi/errno.ts';
import { S_IFLNK, S_IFMT } from '../abi/stat.ts';
import { anyOf, type Op } from '../lib/op.ts';
import type { ClientCalls } from './client-calls.ts';
import type { ClientLink } from './client-link.ts';
import { ClientRequest } from './client-request.ts';
import { payloadMaxFor } from './frame.ts';
import type { MessageName, RequestOf, ResponseOf } from './messages.ts';
import { type Inode, type Statx, WALK_COMPONENT_DOES_NOT_EXIST, WALK_SUCCESS } from './records.ts';

/** Where a client is attached, in a session. */
export interface MountedRoot {
  readonly fd: number;
  readonly statx: Statx;
  /** Since the session before, so that what wasn't synced may be lost. */
  readonly hasHostRestarted?: boolean;
}

/** Errors: ENOENT, ENOTDIR if `attach` leads nowhere; those of Mount and Walk. */
export function* mount(calls: ClientCalls, link: ClientLink, attach: string): Op<MountedRoot> {
  const { root, maxMessageSize, supportedMIDs: mids } = yield* callBy(calls, link, 'Mount', {});
  const payloadMax = Math.min(link.payloadMax, payloadMaxFor(maxMessageSize));
  calls.onMounted({ payloadMax, mids });
  const path = attach.split('/').filter((name) => name !== '' && name !== '.');
  if (path.length === 0) return rootOf(root);
  const { status, inodes } = yield* callBy(calls, link, 'Walk', { dirFD: root.controlFD, path });
  if (status === WALK_COMPONENT_DOES_NOT_EXIST) throw linuxerr.ENOENT;
  const last = inodes.at(-1);
  if (status !== WALK_SUCCESS || last === undefined) throw linuxerr.ENOTDIR;
  if ((last.statx.mode & S_IFMT) === S_IFLNK) throw linuxerr.ENOTDIR;
  const fds = [root, ...inodes.slice(0, -1)].map(({ controlFD }) => controlFD);
  yield* callBy(calls, link, 'Close', { fds });
  return rootOf(last);
}

/** By no other link than this one. Errors: as Reply.wait(). */
function* callBy<Name extends MessageName>(
  calls: ClientCalls,
  link: ClientLink,
  name: Name,
  values: RequestOf<Name>,
): Op<ResponseOf<Name>> {
  const request = new ClientRequest(name, values, 'urgent');
  calls.add(request);
  while (!request.isSettled) {
    if (link.isGone) throw linuxerr.EIO;
    yield anyOf([request.settled, link.changed]);
  }
  return (yield* request.wait()) as ResponseOf<Name>;
}

function rootOf({ controlFD, statx }: Inode): MountedRoot {
  return { fd: controlFD, statx };
}
