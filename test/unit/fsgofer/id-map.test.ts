// Ids of clients and of the host: there and back, and what has none.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { ExportPolicy } from '../../../src/fsgofer/export-policy.ts';
import { findOverlap, ID_MAX, IdMap, type IdRange } from '../../../src/fsgofer/id-map.ts';
import { NO_ID } from '../../../src/lisafs/records.ts';

const RANGES: IdRange[] = [
  { clientId: 0, serverId: 1000, count: 1 },
  { clientId: 100, serverId: 5000, count: 50 },
];

describe('IdMap', () => {
  test('without ranges every id stands for itself', () => {
    const map = new IdMap();
    expect([map.toServer(7), map.toClient(ID_MAX)]).toEqual([7, ID_MAX]);
  });

  test('ids in ranges are mapped up to their ends, and others stand for none', () => {
    const map = new IdMap(RANGES);
    const ids = [0, 1, 99, 100, 149, 150];
    const hostIds = [1000, undefined, undefined, 5000, 5049, undefined];
    expect(ids.map((id) => map.toServer(id))).toEqual(hostIds);
    const shown = [0, 999, 1000, 1001, 5000, 5049, 5050].map((id) => map.toClient(id));
    expect(shown).toEqual([65_534, 65_534, 0, 65_534, 100, 149, 65_534]);
  });

  test('what is mapped comes back as it was', () => {
    const map = new IdMap(RANGES);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6000 }), (id) => {
        const hostId = map.toServer(id);
        return hostId === undefined || map.toClient(hostId) === id;
      }),
      { seed: 5640, numRuns: 500 },
    );
  });

  test('ranges that overlap are found, on either side', () => {
    const range = { clientId: 10, serverId: 20, count: 5 };
    const beside = { clientId: 15, serverId: 25, count: 5 };
    expect(findOverlap([range, beside])).toBeUndefined();
    const inClients = { ...beside, clientId: 14 };
    expect(findOverlap([range, inClients])).toEqual([range, inClients]);
    const inServers = { ...beside, serverId: 24 };
    expect(findOverlap([range, beside, inServers])).toEqual([range, inServers]);
  });

  test.each([
    { clientId: 0, serverId: 0, count: 0 },
    { clientId: -1, serverId: 0, count: 1 },
    { clientId: 0, serverId: 0.5, count: 1 },
    { clientId: 0, serverId: ID_MAX, count: 2 },
  ])('EINVAL for the range %j', (range) => {
    expect(() => new IdMap([range])).toThrow(linuxerr.EINVAL);
  });
});

describe('ExportPolicy', () => {
  const policy = new ExportPolicy({ isRoot: true, idRanges: RANGES });

  test('whoever makes a file is mapped; EOVERFLOW for an id that stands for none', () => {
    expect(policy.owner({ uid: 0, gid: 101 })).toEqual({ uid: 1000, gid: 5001 });
    expect(policy.owner({ uid: NO_ID, gid: NO_ID })).toEqual({});
    expect(() => policy.owner({ uid: 5, gid: 0 })).toThrow(linuxerr.EOVERFLOW);
  });

  test('whom a file is given to is mapped; EINVAL for an id that stands for none', () => {
    expect(policy.newOwner({ uid: 0, mode: 0o600 })).toEqual({ uid: 1000, mode: 0o600 });
    expect(policy.newOwner({ size: 3 })).toEqual({ size: 3 });
    expect(() => policy.newOwner({ gid: 1000 })).toThrow(linuxerr.EINVAL);
  });

  test('anybody but root makes what is its own, whoever the client says', () => {
    const other = new ExportPolicy({ isRoot: false, idRanges: RANGES });
    expect(other.owner({ uid: 5, gid: 5 })).toEqual({});
  });
});
