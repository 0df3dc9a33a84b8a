// Opening a mirror: of two sides that were found, which one leads, and what becomes of the other.
//
// | sides                             | leads     | the other                                    |
// | --------------------------------- | --------- | -------------------------------------------- |
// | both are empty                    | preferred | follows                                      |
// | the same state                    | preferred | follows                                      |
// | one is what the other was lately  | the newer | is brought up to date at once, in one commit |
// | one is what the other was         | the newer | is made anew in the background               |
// | one is empty, incomplete, damaged | the whole | is made anew in the background               |
// | each has commits the other lacks  | none: StoreError 'diverged'                              |
// | neither is whole                  | none: StoreError 'damaged'                               |
//
// If the newer one turns out to be damaged in what the older one lacks, that is StoreError
// 'damaged', too. With `acceptsLoss` the newer one, or the one that is whole, leads in these cases.

import { LinuxError } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import { StoreError } from '../store-error.ts';
import { kinship } from './lineage.ts';
import { catchUp } from './mirror-catch-up.ts';
import { MirroredDevice, type MirroredDeviceOptions, type Side } from './mirrored-device.ts';
import { checksumOfRootBlock, decodeRootBlock, type RootBlock } from './root-block.ts';

export interface OpenMirrorOptions extends Pick<
  MirroredDeviceOptions,
  'preferred' | 'other' | 'checksum' | 'clock' | 'isPresent' | 'stepBytes'
> {
  /** Go on with what is left where something was lost. */
  readonly acceptsLoss: boolean;
  /** Also if neither side is whole. Default: false. */
  readonly forRepair?: boolean | undefined;
}

/** A side with a state on it. */
export interface WholeSide extends Side {
  readonly superblock: Uint8Array;
  readonly block: RootBlock;
}

type FoundSide = WholeSide | (Side & { readonly block?: undefined; readonly is: Remains });
/** What is on a side without a state. */
type Remains = 'empty' | 'incomplete' | 'damaged';

/** Errors: StoreError 'damaged', 'diverged', 'unknown-format'; EIO if neither side can be read. */
export function* openMirror(options: OpenMirrorOptions): Op<MirroredDevice> {
  const a = yield* look(options.preferred, options);
  const b = yield* look(options.other, options);
  if (a.block === undefined && b.block === undefined) {
    if (a.is !== 'empty' || b.is !== 'empty') {
      if (options.forRepair === true) return yield* beginDamaged(options, a, b);
      throw neitherIsWhole(a, b);
    }
    return begin(options, { leader: a, follower: 'whole' });
  }
  if (a.block === undefined || b.block === undefined) {
    const [whole, broken] = a.block === undefined ? [b, a] : [a, b];
    const isEmpty = 'is' in broken && broken.is !== 'damaged';
    return begin(options, { leader: whole, follower: isEmpty ? 'empty' : 'stale' });
  }
  return yield* choose(options, a, b);
}

function* look(side: Side, { checksum }: OpenMirrorOptions): Op<FoundSide> {
  try {
    const superblock = yield* side.device.readSuperblock();
    if (superblock === undefined) return { ...side, is: 'empty' };
    const block = decodeRootBlock(superblock, checksum);
    return block.isIncomplete ? { ...side, is: 'incomplete' } : { ...side, superblock, block };
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return { ...side, is: 'damaged' };
  }
}

function* choose(options: OpenMirrorOptions, a: WholeSide, b: WholeSide): Op<MirroredDevice> {
  const [ofA, ofB] = [stateOf(a), stateOf(b)];
  const toB = kinship(ofA, ofB);
  if (toB === 'same') return begin(options, { leader: a, follower: 'whole' });
  const isANewer = ofA.generation > ofB.generation;
  const [newer, older] = isANewer ? [a, b] : [b, a];
  if (toB === 'apart' && !options.acceptsLoss) throw diverged(newer, older);
  const isRecent = (isANewer ? kinship(ofB, ofA) : toB) === 'recent';
  if (!isRecent) return begin(options, { leader: newer, follower: 'stale' });
  const outcome = yield* catchUp({ newer, older, checksum: options.checksum });
  // With 'failed', the background tries again, and says why it can't.
  if (outcome !== 'damaged') {
    return begin(options, { leader: newer, follower: outcome === 'done' ? 'whole' : 'stale' });
  }
  if (!options.acceptsLoss) throw newerIsDamaged(newer, older);
  return begin(options, { leader: older, follower: 'empty' });
}

function stateOf({ block, superblock }: WholeSide): Parameters<typeof kinship>[0] {
  const { generation, lineage } = block;
  return { generation, lineage, checksum: checksumOfRootBlock(superblock) };
}

function begin(
  options: OpenMirrorOptions,
  found: { readonly leader: FoundSide; readonly follower: MirroredDeviceOptions['follower'] },
): MirroredDevice {
  const { leader, follower } = found;
  const superblock = leader.block === undefined ? undefined : leader.superblock;
  const { preferred, other } = options;
  // Where both are whole, the preferred side leads.
  const side = follower === 'whole' || leader.device === preferred.device ? preferred : other;
  return new MirroredDevice({ ...options, leader: side, follower, superblock });
}

/** The side with more to be found leads; the other is left as it is until that is whole. */
function* beginDamaged(
  options: OpenMirrorOptions,
  preferred: FoundSide,
  other: FoundSide,
): Op<MirroredDevice> {
  // What keeps things by address can be searched.
  const isLost = 'is' in other && other.is === 'empty';
  const leader = isLost ? preferred : other;
  const superblock = yield* leader.device.readSuperblock();
  const sides = { preferred: options.preferred, other: options.other };
  const side = isLost ? options.preferred : options.other;
  return new MirroredDevice({ ...options, ...sides, leader: side, follower: 'stale', superblock });
}

function neitherIsWhole(a: FoundSide, b: FoundSide): StoreError {
  const say = (side: FoundSide): string =>
    `the copy in ${side.name} is ${'is' in side ? side.is : 'whole'}`;
  return new StoreError(
    'damaged',
    `The filesystem can't be opened: ${say(a)}, ${say(b)}. Nothing was changed. ` +
      'kernel.repair() finds what is left; or restore it from a backup if there is one.',
  );
}

function diverged(newer: WholeSide, older: WholeSide): StoreError {
  return new StoreError(
    'diverged',
    `The copies of the filesystem in ${newer.name} and ${older.name} have been changed apart ` +
      `(${newer.block.generation} and ${older.block.generation} commits). Nothing was changed. ` +
      `To go on with the one in ${newer.name} and give up what only the other has, open it with ` +
      "onDataLoss: 'accept'.",
  );
}

function newerIsDamaged(newer: WholeSide, older: WholeSide): StoreError {
  const count = newer.block.generation - older.block.generation;
  return new StoreError(
    'damaged',
    `The copy of the filesystem in ${newer.name} is damaged, and the one in ${older.name} lacks ` +
      `its last ${count} commits. Nothing was changed. To go on without these, open it with ` +
      "onDataLoss: 'accept'.",
  );
}
