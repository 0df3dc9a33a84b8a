// Root blocks that follow on each other.

import { expect, test } from 'vitest';
import { loadChecksum } from '../../../../src/store/engine/checksum.ts';
import type { Child } from '../../../../src/store/engine/node.ts';
import {
  decodeRootBlock,
  EMPTY_ROOT_BLOCK,
  encodeRootBlock,
  type RootBlock,
  RootBlockEncoder,
} from '../../../../src/store/engine/root-block.ts';

const checksum = await loadChecksum();

const child = (address: number): Child => ({
  address,
  sizeBytes: 8192,
  checksum: address,
  generation: 1,
});

test('each is encoded as if it were the only one, whatever it has of the one before', () => {
  const encoder = new RootBlockEncoder(checksum);
  const log = new Uint8Array(100).fill(1);
  const space = {
    end: 1000,
    pages: [child(7)],
    log: [{ address: 40, units: 2, isFree: true }],
  };
  const changes: Partial<RootBlock>[] = [
    {},
    { log },
    { log: log.slice(1) },
    { space },
    { lineage: { sessions: [{ id: 5, from: 2 }], recent: [1, 2, 3] }, log },
    { items: child(8) },
    { meta: child(9), isIncomplete: true },
    { space: { ...space, end: 2000 }, log: new Uint8Array(0) },
    { features: { compatible: 1, readOnlyCompatible: 0, incompatible: 1 } },
    // One that was there before.
    { space },
  ];
  let block = EMPTY_ROOT_BLOCK;
  for (const [index, change] of changes.entries()) {
    block = { ...block, ...change, generation: index + 1 };
    const encoded = encoder.encode(block);
    expect(encoded).toEqual(encodeRootBlock(block, checksum));
    // The log is a feature by itself.
    const { features, ...rest } = block;
    expect(decodeRootBlock(encoded, checksum)).toMatchObject(rest);
    expect(decodeRootBlock(encoded, checksum).features.compatible).toBe(features.compatible);
  }
});
