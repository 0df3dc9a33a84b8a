// IdMap: which user and group of the host one of the clients' stands for, and back.
// Mirrors Linux: include/linux/uidgid.h make_kuid(), from_kuid_munged(); user_namespaces(7).

import { linuxerr } from '../abi/errno.ts';

/** Ids from `clientId` on are those from `serverId` on, as many as `count`. */
export interface IdRange {
  readonly clientId: number;
  readonly serverId: number;
  readonly count: number;
}

/** Whose files clients see that belong to nobody they know. Linux: DEFAULT_OVERFLOWUID. */
const OVERFLOW_ID = 65_534;

/** No range goes on to NO_ID, which stands for no id at all. */
export const ID_MAX = 0xffff_fffe;

/** What `range` says, as people write it. */
export function printIdRange({ clientId, serverId, count }: IdRange): string {
  return `${clientId}:${serverId}:${count}`;
}

/** The first two ranges that give an id two meanings, on either side. */
export function findOverlap(ranges: readonly IdRange[]): readonly [IdRange, IdRange] | undefined {
  for (const [index, range] of ranges.entries()) {
    const other = ranges.slice(0, index).find((earlier) => overlaps(earlier, range));
    if (other !== undefined) return [other, range];
  }
  return undefined;
}

function overlaps(a: IdRange, b: IdRange): boolean {
  const meet = (x: number, y: number): boolean => x < y + b.count && y < x + a.count;
  return meet(a.clientId, b.clientId) || meet(a.serverId, b.serverId);
}

export class IdMap {
  readonly #ranges: readonly IdRange[];

  /** Without ranges every id stands for itself. Errors: EINVAL for ranges that overlap. */
  constructor(ranges: readonly IdRange[] = []) {
    const isWrong = ({ clientId, serverId, count }: IdRange): boolean =>
      ![clientId, serverId, count].every((number) => Number.isInteger(number) && number >= 0) ||
      count === 0 ||
      Math.max(clientId, serverId) + count - 1 > ID_MAX;
    if (ranges.some(isWrong) || findOverlap(ranges) !== undefined) throw linuxerr.EINVAL;
    this.#ranges = ranges;
  }

  /** Undefined if the client's id stands for none. */
  toServer(id: number): number | undefined {
    if (this.#ranges.length === 0) return id;
    const range = this.#ranges.find(
      ({ clientId, count }) => id >= clientId && id < clientId + count,
    );
    return range && range.serverId + (id - range.clientId);
  }

  /** Nobody's, if no client's id stands for it. */
  toClient(id: number): number {
    if (this.#ranges.length === 0) return id;
    const range = this.#ranges.find(
      ({ serverId, count }) => id >= serverId && id < serverId + count,
    );
    return range === undefined ? OVERFLOW_ID : range.clientId + (id - range.serverId);
  }
}
