// Extended attributes, in both ways: the standard's, whose fids are read or written like a file,
// and gVisor's messages. Mirrors gVisor pkg/p9/handlers.go (Tgetxattr, …); diod protocol.md.

import { linuxerr } from '../abi/errno.ts';
import { XATTR_CREATE, XATTR_REPLACE } from '../abi/fcntl.ts';
import { XATTR_SIZE_MAX } from '../abi/limits.ts';
import type { Op } from '../lib/op.ts';
import { encodeUtf8 } from '../lib/text.ts';
import type { HeldFile, NewXattrUse, XattrUse } from './server-fids.ts';
import type { Handlers, Request } from './server-request.ts';

const XATTR_FLAGS = XATTR_CREATE | XATTR_REPLACE;

export function readXattr({ bytes }: XattrUse, offset: number, size: number): Uint8Array {
  return bytes.subarray(offset, offset + size);
}

/** In order, and no more than was said. Errors: EINVAL. */
export function writeNewXattr(use: NewXattrUse, offset: number, data: Uint8Array): number {
  const end = offset + data.length;
  if (offset !== use.receivedSize || end > use.bytes.length) throw linuxerr.EINVAL;
  use.bytes.set(data, offset);
  use.receivedSize = end;
  return data.length;
}

/** The fid is clunked. Errors: EINVAL if some of the value hasn't come; those of setting it. */
export function* setNewXattr(request: Request, held: HeldFile, use: NewXattrUse): Op<void> {
  const { name, flags, bytes, receivedSize } = use;
  if (receivedSize !== bytes.length) throw linuxerr.EINVAL;
  // Linux' client has no other way to remove one.
  if (bytes.length === 0 && flags === XATTR_REPLACE) yield* removeXattr(request, held, name);
  else yield* setXattr(request, held, use);
}

function* setXattr(
  request: Request,
  held: HeldFile,
  { name, bytes, flags }: Pick<NewXattrUse, 'name' | 'bytes' | 'flags'>,
): Op<void> {
  yield* request.writing(held, function* () {
    yield* held.file.setXattr(name, bytes, flags);
    request.tree.attributesChanged(held);
  });
}

function* removeXattr(request: Request, held: HeldFile, name: string): Op<void> {
  yield* request.writing(held, function* () {
    yield* held.file.removeXattr(name);
    request.tree.attributesChanged(held);
  });
}

/** Each with a zero at its end, as listxattr(2) has them. */
function bytesOf(names: readonly string[]): Uint8Array {
  return encodeUtf8(names.map((name) => `${name}\0`).join(''));
}

type Names = 'xattrwalk' | 'xattrcreate' | 'getxattr' | 'setxattr' | 'listxattr' | 'removexattr';

export const XATTR_HANDLERS: Handlers<Names> = {
  *xattrwalk(request, { fid, newfid, name }) {
    const { held, uid } = request.fid(fid);
    const { fids } = request;
    fids.checkNew(newfid);
    const { file } = held;
    const bytes = yield* request.reading(held, function* () {
      return name === '' ? bytesOf(yield* file.listXattr(0)) : yield* file.getXattr(name, 0);
    });
    fids.takeXattrBytes(bytes.length);
    // Of their own: a message's memory is another's soon.
    const use = { kind: 'xattr', bytes: bytes.slice() } as const;
    try {
      fids.add({ number: newfid, held: held.retain(), uid, use });
    } catch (error) {
      fids.giveXattrBytes(bytes.length);
      throw error;
    }
    return { size: bytes.length };
  },

  *xattrcreate(request, { fid: number, name, attrSize, flags }) {
    const fid = request.fid(number);
    request.checkChange();
    if (fid.use !== undefined || (flags & ~XATTR_FLAGS) !== 0) throw linuxerr.EINVAL;
    if (attrSize > XATTR_SIZE_MAX) throw linuxerr.E2BIG;
    request.fids.takeXattrBytes(attrSize);
    fid.use = {
      kind: 'new xattr',
      name,
      flags,
      bytes: new Uint8Array(attrSize),
      receivedSize: 0,
    };
    return {};
  },

  *getxattr(request, { fid, name, size }) {
    const held = request.file(fid);
    return { value: yield* request.reading(held, () => held.file.getXattr(name, size)) };
  },

  *setxattr(request, { fid, name, value, flags }) {
    const held = request.file(fid);
    request.checkChange();
    yield* setXattr(request, held, { name, bytes: value, flags });
    return {};
  },

  *listxattr(request, { fid, size }) {
    const held = request.file(fid);
    return { names: [...(yield* request.reading(held, () => held.file.listXattr(size)))] };
  },

  *removexattr(request, { fid, name }) {
    const held = request.file(fid);
    request.checkChange();
    yield* removeXattr(request, held, name);
    return {};
  },
};
