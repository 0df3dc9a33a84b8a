// Others' filesystems on IndexedDB, as the benchmarks' workers have them.

/** What ZenFS and LightningFS have in common. */
export interface PeerFs {
  mkdir(path: string): Promise<unknown>;
  writeFile(path: string, data: Uint8Array): Promise<unknown>;
  readFile(path: string): Promise<Uint8Array>;
  stat(path: string): Promise<unknown>;
  unlink(path: string): Promise<unknown>;
}

export interface Peer {
  fs: PeerFs;
  /** Waits until what was done is in the database. */
  flush(): Promise<void>;
  /** Opens it again, with nothing in memory. */
  reopen(): Promise<void>;
  /** Reads or writes a piece of a file without the rest; undefined if it can't. */
  readonly piece: PieceCalls | undefined;
}

export interface PieceCalls {
  read(path: string, buffer: Uint8Array, offset: number): Promise<number>;
  write(path: string, bytes: Uint8Array, offset: number): Promise<void>;
}

export async function openZenfs(name: string): Promise<Peer> {
  const { configureSingle, fs, sync } = await import('@zenfs/core');
  const { IndexedDB } = await import('@zenfs/dom');
  const mount = (): Promise<void> => configureSingle({ backend: IndexedDB, storeName: name });
  await mount();
  const piece: PieceCalls = {
    read: async (path, buffer, offset) => {
      const handle = await fs.promises.open(path, 'r');
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
      await handle.close();
      return bytesRead;
    },
    write: async (path, bytes, offset) => {
      const handle = await fs.promises.open(path, 'r+');
      await handle.write(bytes, 0, bytes.length, offset);
      await handle.close();
    },
  };
  return { fs: fs.promises, flush: sync, reopen: mount, piece };
}

export async function openLightning(name: string): Promise<Peer> {
  const { default: LightningFs } = await import('@isomorphic-git/lightning-fs');
  const make = (): PeerFs & { flush(): Promise<void> } => {
    const { promises } = new LightningFs(name);
    return {
      mkdir: (path) => promises.mkdir(path),
      writeFile: (path, data) => promises.writeFile(path, data),
      readFile: async (path) => await promises.readFile(path),
      stat: (path) => promises.stat(path),
      unlink: (path) => promises.unlink(path),
      flush: () => promises.flush(),
    };
  };
  let fs = make();
  const peer: Peer = {
    fs,
    flush: () => fs.flush(),
    reopen: async () => {
      await fs.flush();
      // It is idle now, and another one may take over.
      fs = make();
      peer.fs = fs;
    },
    piece: undefined,
  };
  return peer;
}
