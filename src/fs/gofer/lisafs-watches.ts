// LisafsWatches: the server's watches, by lisafs.

import type { LinuxError } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import type { LisafsClient } from '../../lisafs/client.ts';
import type { Pending, RemoteFd, RemoteWatches } from './remote.ts';

export class LisafsWatches implements RemoteWatches {
  readonly #client: LisafsClient;

  constructor(client: LisafsClient) {
    this.#client = client;
  }

  set(fd: RemoteFd, mask: number): Pending<number> {
    const reply = this.#client.send('Watch', () => ({ fd: fd.id, mask, isRecursive: false }));
    return {
      *wait(): Op<number> {
        return (yield* reply.wait()).watchId;
      },
      onSettled(done: (error: LinuxError | undefined, value: number | undefined) => void) {
        reply.onSettled((error, value) => {
          done(error, value?.watchId);
        });
      },
    };
  }

  end(watchId: number): void {
    this.#client.send('Unwatch', { watchId });
  }
}
