// P9Xattrs: extended attributes by 9P. gVisor's servers have messages for them; with others a fid
// leads to the value, which is read or written like a file. Linux: fs/9p/xattr.c.

import { linuxerr } from '../../abi/errno.ts';
import { XATTR_REPLACE } from '../../abi/fcntl.ts';
import type { Op } from '../../lib/op.ts';
import { decodeUtf8 } from '../../lib/text.ts';
import type { P9Client } from '../../p9/client.ts';
import type { FdRoom } from './fd-room.ts';
import type { P9Walks } from './p9-walks.ts';

const NO_DATA = new Uint8Array(0);

export interface XattrValue {
  readonly name: string;
  readonly value: Uint8Array;
  readonly flags: number;
}

export class P9Xattrs {
  readonly #client: P9Client;
  readonly #walks: P9Walks;

  readonly #room: FdRoom;

  constructor(client: P9Client, walks: P9Walks, room: FdRoom) {
    this.#client = client;
    this.#walks = walks;
    this.#room = room;
  }

  *get(fid: number, name: string): Op<Uint8Array> {
    if (!this.#client.supports('getxattr')) return yield* this.#read(fid, name);
    return (yield* this.#client.call('getxattr', { fid, name, size: 0 })).value;
  }

  *list(fid: number): Op<readonly string[]> {
    if (this.#client.supports('listxattr')) {
      const { names } = yield* this.#client.call('listxattr', { fid, size: 0 });
      return names.filter((name) => typeof name === 'string');
    }
    const text = decodeUtf8(yield* this.#read(fid, ''));
    return text.split('\0').filter((name) => name !== '');
  }

  *#read(fid: number, name: string): Op<Uint8Array> {
    const newfid = this.#client.newFid();
    try {
      const values = { fid, newfid, name };
      const { size } = yield* this.#room.ask([], () => this.#client.call('xattrwalk', values));
      const value = new Uint8Array(size);
      let at = 0;
      while (at < size) {
        const count = Math.min(size - at, this.#client.payloadMax);
        const { data } = yield* this.#client.call('read', { fid: newfid, offset: at, count });
        if (data.length === 0) throw linuxerr.EIO;
        value.set(data, at);
        at += data.length;
      }
      return value;
    } finally {
      this.#client.closeFid(newfid);
    }
  }

  *set(fid: number, { name, value, flags }: XattrValue): Op<void> {
    if (this.#client.supports('setxattr')) {
      yield* this.#client.call('setxattr', { fid, name, value, flags });
    } else yield* this.#write(fid, { name, value, flags });
  }

  /** By the protocol, a value of no bytes is none. */
  *remove(fid: number, name: string): Op<void> {
    if (this.#client.supports('removexattr')) {
      yield* this.#client.call('removexattr', { fid, name });
    } else yield* this.#write(fid, { name, value: NO_DATA, flags: XATTR_REPLACE });
  }

  *#write(from: number, { name, value, flags }: XattrValue): Op<void> {
    const fid = yield* this.#walks.clone(from);
    try {
      const attrSize = value.length;
      yield* this.#client.call('xattrcreate', { fid, name, attrSize, flags });
      for (let at = 0; at < value.length;) {
        const data = value.subarray(at, at + this.#client.payloadMax);
        const { count } = yield* this.#client.call('write', { fid, offset: at, data });
        if (count === 0) throw linuxerr.EIO;
        at += count;
      }
      // It is set as the fid goes, which says whether it could be.
      yield* this.#client.call('clunk', { fid });
    } finally {
      this.#client.closeFid(fid);
    }
  }
}
