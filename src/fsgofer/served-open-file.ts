// ServedOpenFile: a regular file of the host that a lisafs client has open.

import { linuxerr } from '../abi/errno.ts';
import type { Op } from '../lib/op.ts';
import type { ListedName, OpenedFile } from '../served/served-file.ts';
import { untilDone, untilKnown } from './host-wait.ts';
import type { OpenHostFile } from './open-file.ts';

/** All FALLOC_FL_ bits there are. */
const ALLOCATE_MODES = 0xff;

export class ServedOpenFile implements OpenedFile {
  readonly #open: OpenHostFile;

  /** It is this one's from here on. */
  constructor(open: OpenHostFile) {
    this.#open = open;
  }

  read(into: Uint8Array, offset: number): Op<number> {
    return untilKnown(() => this.#open.read(into, offset));
  }

  write(bytes: Uint8Array, offset: number): Op<number> {
    return untilDone(() => this.#open.write(bytes, offset));
  }

  sync(): Op<void> {
    return untilDone(() => this.#open.fsync());
  }

  /** Nothing is held back here. */
  *flush(): Op<void> {
    return;
  }

  *allocate(mode: number, offset: number, length: number): Op<void> {
    if (mode > ALLOCATE_MODES) throw linuxerr.EOPNOTSUPP;
    yield* untilDone(() => this.#open.allocate({ mode, offset, length }));
  }

  *list(): Op<readonly ListedName[]> {
    throw linuxerr.ENOTDIR;
  }

  close(): Op<void> {
    return untilDone(() => this.#open.close());
  }
}
