// MirroredDevice: two devices that hold the same. One leads: it has a commit before the commit
// ends. The other follows, at once and in order (follower.ts). If one fails, the store goes on with
// the other; one that lacks much is made anew in the background (resilver.ts).
//
// Which of two states that were found apart is the right one, mirror-open.ts decides.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import type { Clock } from '../../lib/clock.ts';
import type { MirrorStatus } from '../../lib/mirror-status.ts';
import { type Op, runAsync, timer, waitFor, WaitQueue } from '../../lib/op.ts';
import type { Durability, StoreUsage } from '../store.ts';
import type { ScrubReport } from '../store-view.ts';
import { Apart } from './apart.ts';
import { CLEANUP_MS } from './ballast.ts';
import { Follower } from './follower.ts';
import { reserveOnBoth, roomOnBoth } from './mirror-room.ts';
import type { Checksum } from './node-cache.ts';
import type { DeviceBatch, PageDevice, Place, Portion } from './page-device.ts';
import { Resilver } from './resilver.ts';
import { scrub } from './scrub.ts';
import { decodeRootBlock, EMPTY_ROOT_BLOCK, type RootBlock } from './root-block.ts';
import { Space } from './space.ts';

/** One of the two. */
export interface Side {
  readonly device: PageDevice;
  /** What users know it by: 'OPFS', 'IndexedDB'. */
  readonly name: string;
}

export interface MirroredDeviceOptions {
  /** Leads whenever it is whole. */
  readonly preferred: Side;
  readonly other: Side;
  /** The side that is whole at the beginning. */
  readonly leader: Side;
  /** What the other side has then: the same, some other state, or nothing that could be wanted. */
  readonly follower: 'whole' | 'stale' | 'empty';
  /** Of the leader. */
  readonly superblock: Uint8Array | undefined;
  readonly checksum: Checksum;
  readonly clock: Clock;
  /** Asked when one side was closed by the platform: do the files still exist? */
  readonly isPresent?: (() => Promise<boolean>) | undefined;
  /** What is copied at once when a side is made anew. Default: 4 MiB. Tests set it low. */
  readonly stepBytes?: number | undefined;
}

const STEP_BYTES_DEFAULT = 4 << 20;
/** Between two steps, for others. */
const PAUSE_MS = 5;
/** What the other side gives up when there is no room is so much more than is needed. */
const ROOM_SLACK_BYTES = 256 * 1024;
/** Commits wait when the follower lacks more. */
const BACKLOG_BYTES_MAX = 16 << 20;
/** After a side failed it is tried again after so long, then after twice as long, and so on. */
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 60_000;

export class MirroredDevice implements PageDevice {
  readonly isTransactional = false;
  readonly #options: MirroredDeviceOptions;
  #leader: Side;
  #follower: Follower;
  #state: MirrorStatus['state'];
  #reason: string | undefined;
  #superblock: Uint8Array | undefined;
  /** The same, decoded. */
  #block: RootBlock | undefined;
  #resilver: Resilver | undefined;
  #isFollowerEmpty: boolean;
  /** While a side doesn't follow. */
  readonly #apart = new Apart();
  /** Of the last commit that a place was mended of. */
  #space: Space | undefined;
  #hasFoundDamage = false;
  /** Number of commits that have begun or ended: what was read before one may be another's. */
  #version = 0;
  #isCommitting = false;
  #isHeld = false;
  readonly #idle = new WaitQueue();
  #retryMs = RETRY_MS_MIN;
  #cancelRetry: (() => void) | undefined;
  #isClosed = false;
  readonly #background = new Set<Promise<void>>();

  constructor(options: MirroredDeviceOptions) {
    const { leader, follower, superblock } = options;
    this.#options = options;
    this.#leader = leader;
    this.#superblock = superblock;
    this.#follower = this.#follow(this.#followingSide);
    this.#state = follower === 'whole' ? 'whole' : 'degraded';
    this.#isFollowerEmpty = follower === 'empty';
    if (follower !== 'whole') this.#startResilver();
  }

  /** The one that doesn't lead. */
  get #followingSide(): Side {
    const { preferred, other } = this.#options;
    return this.#leader === preferred ? other : preferred;
  }

  get mirrorStatus(): MirrorStatus {
    return {
      leader: this.#leader.name,
      follower: this.#followingSide.name,
      state: this.#state,
      behindBytes: this.#follower.backlogBytes,
      copiedBytes: this.#resilver?.copiedBytes ?? 0,
      reason: this.#reason,
    };
  }

  get isOpen(): boolean {
    if (this.#isClosed) return false;
    return this.#leader.device.isOpen || (this.#state === 'whole' && this.#follower.device.isOpen);
  }

  /** The root block of the last commit. */
  get block(): RootBlock {
    this.#block ??=
      this.#superblock === undefined
        ? EMPTY_ROOT_BLOCK
        : decodeRootBlock(this.#superblock, this.#options.checksum);
    return this.#block;
  }

  *readSuperblock(): Op<Uint8Array | undefined> {
    return this.#superblock;
  }

  *read(portions: readonly Portion[]): Op<(Uint8Array | undefined)[]> {
    try {
      return yield* this.#leader.device.read(portions);
    } catch (error) {
      if (!(yield* this.#failOver(error))) throw error;
      return yield* this.#leader.device.read(portions);
    }
  }

  readAtOnce(portion: Portion, target: Uint8Array): boolean {
    try {
      return this.#leader.device.readAtOnce?.(portion, target) ?? false;
    } catch (error) {
      // The other side may take its place: read() sees to that.
      if (!(error instanceof LinuxError)) throw error;
      return false;
    }
  }

  *mend(place: Place, isWhole: (bytes: Uint8Array) => boolean): Op<Uint8Array | undefined> {
    const { device } = this.#follower;
    for (;;) {
      while (this.#isCommitting) yield this.#idle;
      if (this.#state === 'whole') yield* this.#follower.drained();
      const version = this.#version;
      if (this.#isClosed || !device.isOpen) return undefined;
      const { address, sizeBytes } = place;
      let bytes: Uint8Array | undefined;
      try {
        [bytes] = yield* device.read([{ address, sizeBytes, from: 0, to: sizeBytes }]);
      } catch (error) {
        if (!(error instanceof LinuxError)) throw error;
      }
      if (bytes === undefined || !isWhole(bytes)) return undefined;
      const isTheirs = yield* this.#isInBoth(place);
      // Something else may have been written to the address meanwhile.
      if (version !== this.#version) continue;
      // Whoever asks reads an old state.
      if (!isTheirs) return undefined;
      yield* this.#rewrite(address, bytes);
      this.#damageFound();
      return bytes;
    }
  }

  /** Is what the last commit has at a place what the follower has there? Errors: EIO. */
  *#isInBoth(place: Place): Op<boolean> {
    const { space } = this.block;
    if (this.#state !== 'whole' && this.#apart.has(place)) return false;
    if (space.pages.some(({ address }) => address === place.address)) return true;
    if (this.#space?.state !== space) this.#space = new Space(space);
    yield* this.#space.load(this, this.#options.checksum);
    return !this.#space.isFree(place.address);
  }

  *#rewrite(address: number, bytes: Uint8Array): Op<void> {
    try {
      yield* this.#leader.device.rewrite(address, bytes);
    } catch (error) {
      // It is read all the same; the next reader asks the other side again.
      if (!(error instanceof LinuxError)) throw error;
    }
  }

  *rewrite(address: number, bytes: Uint8Array): Op<void> {
    yield* this.#leader.device.rewrite(address, bytes);
  }

  *commit(batch: DeviceBatch, durability: Durability): Op<void> {
    while (this.#isHeld) yield this.#idle;
    this.#isCommitting = true;
    this.#version++;
    try {
      yield* this.#makeRoom();
      try {
        yield* this.#leader.device.commit(batch, durability);
      } catch (error) {
        const mayRetry =
          error === linuxerr.ENOSPC ? yield* this.#findRoom(batch) : yield* this.#failOver(error);
        if (!mayRetry) throw error;
        yield* this.#leader.device.commit(batch, durability);
      }
      this.#superblock = batch.superblock;
      this.#block = undefined;
      if (this.#state !== 'whole') this.#apart.add(batch);
      if (this.#state === 'whole') this.#follower.push(batch, durability);
      else if (this.#state === 'resilvering') this.#resilver?.committed(batch, durability);
    } finally {
      this.#version++;
      this.#isCommitting = false;
      this.#idle.wakeAll();
    }
  }

  /** Waits while the follower is far behind. */
  *#makeRoom(): Op<void> {
    while (this.#follower.backlogBytes > BACKLOG_BYTES_MAX) yield this.#follower.progress;
  }

  /** The leader has no room. Did the other side give up some? */
  *#findRoom({ writes }: DeviceBatch): Op<boolean> {
    const { device } = this.#follower;
    yield* this.#follower.drained();
    if (!device.isOpen) return false;
    const bytes = writes.reduce((sum, each) => sum + each.bytes.length, 0);
    if (!(yield* device.release(bytes + ROOM_SLACK_BYTES))) return false;
    // The browser counts what is gone until it has cleaned up.
    yield timer(this.#options.clock, CLEANUP_MS);
    return true;
  }

  /** The leader failed. Has the other side taken its place? */
  *#failOver(error: unknown): Op<boolean> {
    if (!(error instanceof LinuxError) || error !== linuxerr.EIO) return false;
    if (this.#state !== 'whole' || this.#isClosed) return false;
    const failed = this.#leader;
    yield* this.#follower.drained();
    // Another operation may have noticed at the same time.
    if (this.#leader !== failed) return true;
    // Where the site's data were cleared, nothing is left.
    if (!(yield* this.#isPresent())) return false;
    if (this.#state !== ('whole' as string) || !this.#follower.device.isOpen) return false;
    this.#swap();
    this.#follower.fail(linuxerr.EIO);
    return true;
  }

  /**
   * False also closes what is left: what is written to a file that was removed is written nowhere.
   */
  *#isPresent(): Op<boolean> {
    const { isPresent } = this.#options;
    if (isPresent === undefined || (yield* waitFor(isPresent()))) return true;
    this.#isClosed = true;
    yield* this.#closeDevices();
    return false;
  }

  /** The sides change their parts. Nothing is under way. */
  #swap(): void {
    this.#leader = this.#followingSide;
    this.#follower = this.#follow(this.#followingSide);
  }

  #follow({ device, name }: Side): Follower {
    return new Follower(device, this.#options.clock, (error, lacking) => {
      this.#degrade(`${name} failed: ${error.message}`, lacking);
    });
  }

  /** `lacking`: what the follower got and may not have. */
  #degrade(reason: string, lacking: readonly DeviceBatch[]): void {
    if (this.#state === 'whole') for (const batch of lacking) this.#apart.add(batch);
    this.#resilver = undefined;
    this.#state = 'degraded';
    this.#reason = reason;
    if (this.#isClosed) return;
    this.#run(runAsync(this.#isPresent()).then(() => undefined));
    if (!this.#follower.device.isOpen) {
      this.#run(runAsync(this.#releaseAll()));
      return;
    }
    this.#cancelRetry?.();
    this.#cancelRetry = this.#options.clock.setTimer(this.#retryMs, () => {
      this.#cancelRetry = undefined;
      this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
      this.#startResilver();
    });
  }

  /** What is held for a side that is gone, the other one may have. */
  *#releaseAll(): Op<void> {
    try {
      yield* this.#follower.device.release(Infinity);
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
    }
  }

  // Resilvering.

  #startResilver(): void {
    const { checksum, stepBytes = STEP_BYTES_DEFAULT } = this.#options;
    if (this.#isClosed) return;
    this.#follower = this.#follow(this.#followingSide);
    this.#state = 'resilvering';
    this.#reason = undefined;
    const resilver = new Resilver({
      source: this,
      follower: this.#follower,
      checksum,
      stepBytes,
      pause: () => this.#pause(),
      hold: () => this.#hold(),
      isFollowerEmpty: this.#isFollowerEmpty,
      finished: () => {
        this.#endResilver();
      },
    });
    this.#resilver = resilver;
    const follower = this.#follower;
    this.#run(
      resilver.run().catch((error: unknown) => {
        if (!(error instanceof LinuxError)) throw error;
        if (!this.#isClosed) follower.fail(error);
      }),
    );
  }

  /** The follower has what the leader has. Nothing is under way. */
  #endResilver(): void {
    const { preferred } = this.#options;
    this.#resilver = undefined;
    this.#apart.reset();
    this.#isFollowerEmpty = false;
    this.#state = 'whole';
    this.#retryMs = RETRY_MS_MIN;
    if (this.#leader !== preferred) this.#swap();
  }

  /**
   * Waits until no commit is under way, and keeps the next one back until what it returns is
   * called.
   */
  *#hold(): Op<() => void> {
    while (this.#isCommitting || this.#isHeld) yield this.#idle;
    this.#isHeld = true;
    return () => {
      this.#isHeld = false;
      this.#idle.wakeAll();
    };
  }

  // Scrubbing.

  /** Reads all of both sides and mends either from the other. Errors: EIO if both fail. */
  *scrub(): Op<ScrubReport> {
    const { checksum, stepBytes = STEP_BYTES_DEFAULT } = this.#options;
    const between = this.#betweenCommits.bind(this);
    const pause = (): Promise<void> => this.#pause();
    return yield* waitFor(scrub({ mirror: this, checksum, stepBytes, between, pause }));
  }

  *#betweenCommits(step: (sides: readonly PageDevice[]) => Op<void>): Op<boolean> {
    const release = yield* this.#hold();
    try {
      yield* this.#follower.drained();
      if (this.#isClosed || this.#state !== 'whole') return false;
      yield* step([this.#leader.device, this.#follower.device]);
      return true;
    } finally {
      release();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.setTimer(PAUSE_MS, resolve);
    });
  }

  /** Where one place is damaged, others may be. Once a session is enough. */
  #damageFound(): void {
    if (this.#hasFoundDamage) return;
    this.#hasFoundDamage = true;
    this.#run(
      runAsync(this.scrub()).then(
        () => undefined,
        (error: unknown) => {
          if (!(error instanceof LinuxError)) throw error;
        },
      ),
    );
  }

  #run(work: Promise<void>): void {
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work));
  }

  /** Resolved when the follower has everything, or when it has failed. For tests and for panels. */
  *settled(): Op<void> {
    while (this.#background.size > 0) yield* waitFor(Promise.all(this.#background));
    yield* this.#follower.drained();
  }

  /** Of the side that keeps things by address, if it has everything. */
  *addresses(from: number, limit: number): Op<number[]> {
    const device = yield* this.#addressed();
    return device?.addresses === undefined ? [] : yield* device.addresses(from, limit);
  }

  *readAt(address: number): Op<Uint8Array | undefined> {
    const device = yield* this.#addressed();
    return device?.readAt === undefined ? undefined : yield* device.readAt(address);
  }

  *#addressed(): Op<PageDevice | undefined> {
    yield* this.#follower.drained();
    const sides = [this.#leader.device];
    if (this.#state === 'whole') sides.push(this.#follower.device);
    return sides.find((side) => side.addresses !== undefined);
  }

  *usage(): Op<StoreUsage> {
    const { preferred, other } = this.#options;
    // The first that can tell how much the origin may have.
    const side = [other, preferred].find(({ device }) => device.isOpen);
    if (side === undefined) throw linuxerr.EIO;
    const { used, available } = yield* side.device.usage();
    // What the file holds of the origin's room, the browser counts as used.
    const held = side === other && preferred.device.isOpen ? preferred.device.reservedBytes : 0;
    // Everything is written twice.
    return { used: Math.max(0, used - held), available: Math.floor((available + held) / 2) };
  }

  get reservedBytes(): number {
    const { device } = this.#leader;
    return this.#state === 'whole' ? roomOnBoth(device, this.#follower) : device.reservedBytes;
  }

  *reserve(bytes: number): Op<number> {
    const { device } = this.#leader;
    if (this.#state === 'whole') yield* reserveOnBoth(device, this.#follower, bytes);
    else yield* device.reserve(bytes);
    return this.reservedBytes;
  }

  *release(bytes: number): Op<boolean> {
    return yield* this.#leader.device.release(bytes);
  }

  *close(): Op<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#resilver?.stop();
    while (this.#isCommitting) yield this.#idle;
    yield* this.#follower.drained();
    yield* this.#closeDevices();
  }

  *#closeDevices(): Op<void> {
    const { preferred, other } = this.#options;
    yield* preferred.device.close();
    yield* other.device.close();
  }
}
