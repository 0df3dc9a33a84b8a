// ServedXattrs: of a file's extended attributes those that there are for clients.

import { linuxerr } from '../abi/errno.ts';
import { XATTR_SIZE_MAX } from '../abi/limits.ts';
import type { Op } from '../lib/op.ts';
import { utf8Length } from '../lib/text.ts';
import type { ExportPolicy } from './export-policy.ts';
import { untilDone, untilKnown } from './host-wait.ts';
import { fromHostName, toHostName } from './served-name.ts';
import type { SharedFile } from './shared-file.ts';

export class ServedXattrs {
  readonly #shared: SharedFile;
  readonly #policy: ExportPolicy;

  constructor(shared: SharedFile, policy: ExportPolicy) {
    this.#shared = shared;
    this.#policy = policy;
  }

  /** `size` 0: as large as it is. Errors: ERANGE if it is larger. */
  *get(name: string, size: number): Op<Uint8Array> {
    this.#policy.checkXattr(name);
    const hostName = toHostName(name);
    const sizeMax = size === 0 ? XATTR_SIZE_MAX : size;
    return yield* untilKnown(() => this.#shared.use((file) => file.getXattr(hostName, sizeMax)));
  }

  *set(name: string, value: Uint8Array, flags: number): Op<void> {
    this.#policy.checkChange();
    this.#policy.checkXattr(name);
    const hostName = toHostName(name);
    yield* untilDone(() => this.#shared.use((file) => file.setXattr(hostName, value, flags)));
  }

  /** `size` 0: all. Errors: ERANGE if they take more, each with a zero at its end. */
  *list(size: number): Op<readonly string[]> {
    const all = yield* untilKnown(() => this.#shared.use((file) => file.listXattrs()));
    const names = all.map(fromHostName).filter((name) => this.#policy.hasXattr(name));
    const needed = names.reduce((sum, name) => sum + utf8Length(name) + 1, 0);
    if (size > 0 && needed > size) throw linuxerr.ERANGE;
    return names;
  }

  *remove(name: string): Op<void> {
    this.#policy.checkChange();
    this.#policy.checkXattr(name);
    const hostName = toHostName(name);
    yield* untilDone(() => this.#shared.use((file) => file.removeXattr(hostName)));
  }
}
