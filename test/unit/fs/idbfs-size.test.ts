// What a first look into a tree costs, whatever its size: places read from the medium.
//
//   BURROW_TREE_FILES=1000000 npx vitest run test/unit/fs/idbfs-size.test.ts    prints the numbers

import { expect, test } from 'vitest';
import { AT_FDCWD, O_CREAT, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Op, runAsync } from '../../../src/lib/op.ts';
import { MemoryDevice } from '../../../src/store/engine/memory-device.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { openIdbfs } from '../../support/history/session.ts';
import { openEngine } from '../store/engine/support.ts';

const PER_DIRECTORY = 100;
const sizes = [1000, Number(process.env['BURROW_TREE_FILES'] ?? 20_000)];

/** /dN/eN/fN, so many files. */
function* makeTree(sys: Syscalls, files: number): Op<void> {
  const directories = files / PER_DIRECTORY;
  for (let at = 0; at < directories; at++) {
    const outer = `/d${Math.floor(at / PER_DIRECTORY)}`;
    const inner = `${outer}/e${at % PER_DIRECTORY}`;
    if (at % PER_DIRECTORY === 0) yield* sys.mkdirat(AT_FDCWD, outer, 0o755, 0);
    yield* sys.mkdirat(AT_FDCWD, inner, 0o755, 0);
    for (let i = 0; i < PER_DIRECTORY; i++) {
      const fd = yield* sys.openat(AT_FDCWD, `${inner}/f${i}`, O_CREAT | O_WRONLY, 0o644);
      yield* sys.close(fd);
    }
  }
  yield* sys.sync();
}

test(
  'a mount and the first stat of a deep path read few places',
  { timeout: 600_000 },
  async () => {
    for (const files of sizes) {
      const device = new MemoryDevice();
      const clock = new FakeClock();
      const filled = await runAsync(openIdbfs({ store: await openEngine(device), clock }));
      await runAsync(makeTree(filled.sys, files));
      const cold = new MemoryDevice();
      cold.restore(device.image);
      const { sys } = await runAsync(openIdbfs({ store: await openEngine(cold), clock }));
      const mounting = cold.readCount;
      const at = Math.floor(files / PER_DIRECTORY / 2);
      const path = `/d${Math.floor(at / PER_DIRECTORY)}/e${at % PER_DIRECTORY}`;
      await runAsync(sys.fstatat(AT_FDCWD, `${path}/f50`, 0));
      const looking = cold.readCount - mounting;
      await runAsync(sys.fstatat(AT_FDCWD, `${path}/f51`, 0));
      const again = cold.readCount - mounting - looking;
      console.info(
        `${files} files: ${mounting} places read by the mount, ${looking} by the first stat, ` +
          `${again} by that of its neighbour`,
      );
      expect(mounting + looking).toBeLessThan(10);
      expect(again).toBe(0);
    }
  },
);
