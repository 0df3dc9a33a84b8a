// LisafsMaking: making files by lisafs. Regular files and directories get FDs whose ids are chosen
// here, so that what follows can name them at once. Mirrors gVisor
// pkg/sentry/fsimpl/gofer/lisafs_inode.go (openCreate, mkdir, mknod, symlink).

import { O_RDWR } from '../../abi/fcntl.ts';
import {
  devMajor,
  devMinor,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_PERMISSIONS,
} from '../../abi/stat.ts';
import type { Op } from '../../lib/op.ts';
import type { LisafsClient } from '../../lisafs/client.ts';
import type { Inode, Statx } from '../../lisafs/records.ts';
import type { FdRoom } from './fd-room.ts';
import { mapped, settled } from './pending.ts';
import { type Made, type Making, type Pending, RemoteFd } from './remote.ts';
import { ReservedFds } from './reserved-fds.ts';

const NO_DATA = new Uint8Array(0);
/** By type, of what is made under ids that are chosen here. */
const FDS_MADE: Readonly<Record<number, number>> = { [S_IFREG]: 2, [S_IFDIR]: 1 };

interface MadeFile {
  readonly made: Made;
  readonly pending: Pending<Statx>;
}

/** `goesOn`: nobody waits for the answer, since mayGoOn() said so. */
interface MakeOptions {
  readonly goesOn: boolean;
}

export class LisafsMaking {
  readonly #client: LisafsClient;
  readonly #room: FdRoom;
  readonly #reserved: ReservedFds;
  readonly #choosesIds: boolean;

  constructor(client: LisafsClient, room: FdRoom) {
    this.#client = client;
    this.#room = room;
    this.#reserved = new ReservedFds(client);
    this.#choosesIds = client.supports('CreateWrite') && client.supports('MkdirAs');
  }

  mayGoOn({ mode }: Making): boolean {
    const count = FDS_MADE[mode & S_IFMT];
    return this.#choosesIds && count !== undefined && this.#reserved.has(count);
  }

  giveUpReserve(): number {
    return this.#reserved.giveUp();
  }

  *make(parent: RemoteFd, making: Making, options: MakeOptions): Op<MadeFile> {
    const type = making.mode & S_IFMT;
    if (this.#choosesIds && type === S_IFREG) return this.#makeRegular(parent, making, options);
    if (this.#choosesIds && type === S_IFDIR) return this.#makeDirectory(parent, making, options);
    return yield* this.#room.ask([parent], () => this.#makeAndWait(parent, making));
  }

  #fd(id: number): RemoteFd {
    return new RemoteFd(id, this.#client);
  }

  #makeRegular(parent: RemoteFd, { name, ...making }: Making, options: MakeOptions): MadeFile {
    const made = { fd: this.#fd(this.#client.nextFd()), opened: this.#fd(this.#client.nextFd()) };
    const send = (): Pending<Statx> => {
      const [clientFD, clientOpenFD] = [made.fd.id, made.opened.id];
      const reply = this.#client.send('CreateWrite', () => ({
        dirFD: parent.id,
        ...commonOf(making),
        flags: O_RDWR,
        clientFD,
        clientOpenFD,
        name,
        data: NO_DATA,
      }));
      return mapped(reply, ({ child }) => child.statx);
    };
    return { made, pending: this.#send(parent, [made.fd, made.opened], send, options) };
  }

  #makeDirectory(parent: RemoteFd, { name, ...making }: Making, options: MakeOptions): MadeFile {
    const fd = this.#fd(this.#client.nextFd());
    const send = (): Pending<Statx> => {
      const clientFD = fd.id;
      const reply = this.#client.send('MkdirAs', () => ({
        dirFD: parent.id,
        ...commonOf(making),
        clientFD,
        name,
      }));
      return mapped(reply, ({ childDir }) => childDir.statx);
    };
    const pending = this.#send(parent, [fd], send, options);
    return { made: { fd, opened: undefined }, pending };
  }

  /** Once more under other ids: those that nothing came of never come again. */
  #send(
    parent: RemoteFd,
    fds: readonly RemoteFd[],
    send: () => Pending<Statx>,
    { goesOn }: MakeOptions,
  ): Pending<Statx> {
    let isAgain = false;
    const sendAs = (): Pending<Statx> => {
      if (isAgain) for (const fd of fds) fd.renew(this.#client.nextFd());
      isAgain = true;
      this.#reserved.choose(fds.length);
      return send();
    };
    return goesOn ? sendAs() : this.#room.send([parent], sendAs);
  }

  *#makeAndWait(parent: RemoteFd, { name, ...making }: Making): Op<MadeFile> {
    const type = making.mode & S_IFMT;
    if (type === S_IFREG) return yield* this.#createAndWait(parent, { name, ...making });
    const { controlFD, statx } = yield* this.#makeName(parent, { name, ...making });
    return { made: { fd: this.#fd(controlFD), opened: undefined }, pending: settled(statx) };
  }

  *#createAndWait(parent: RemoteFd, { name, ...making }: Making): Op<MadeFile> {
    const { child, newFD } = yield* this.#client.call('OpenCreateAt', () => ({
      dirFD: parent.id,
      ...commonOf(making),
      flags: O_RDWR,
      name,
    }));
    const made = { fd: this.#fd(child.controlFD), opened: this.#fd(newFD) };
    return { made, pending: settled(child.statx) };
  }

  *#makeName(parent: RemoteFd, { name, ...making }: Making): Op<Inode> {
    const { mode, uid, gid, rdev, target } = making;
    if ((mode & S_IFMT) === S_IFDIR) {
      const values = { ...commonOf(making), name };
      const made = this.#client.call('MkdirAt', () => ({ dirFD: parent.id, ...values }));
      return (yield* made).childDir;
    }
    if ((mode & S_IFMT) === S_IFLNK) {
      const values = { uid, gid, name, target };
      const made = this.#client.call('SymlinkAt', () => ({ dirFD: parent.id, ...values }));
      return (yield* made).symlink;
    }
    const device = { major: devMajor(rdev), minor: devMinor(rdev) };
    const made = this.#client.call('MknodAt', () => ({
      dirFD: parent.id,
      ...commonOf(making),
      mode,
      ...device,
      name,
    }));
    return (yield* made).child;
  }
}

function commonOf({ mode, uid, gid }: Omit<Making, 'name'>): {
  mode: number;
  uid: number;
  gid: number;
} {
  return { mode: mode & S_PERMISSIONS, uid, gid };
}
