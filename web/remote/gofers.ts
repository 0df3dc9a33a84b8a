// Gofers: connects the kernel to gofers and lets go of them, as the page does it.

import type { Kernel } from '../../src/index.ts';
import { errorCode, nullIfFsError } from '../shell/errors.ts';
import { confirm } from '../ui/dialogs.ts';
import { type GoferRequest, MOUNT_POINT, readGoferLink, writeGoferLink } from './gofer-link.ts';
import { isRemote, type RemoteMount } from './link-text.ts';

/** What is asked for can't be; the message is for the user. */
class RequestError extends Error {
  override readonly name = 'RequestError';
}

/** Where tokens are while the tab is there. */
const tokenKey = (source: string): string => `gofer-token ${source}`;

export class Gofers {
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  async mounts(): Promise<RemoteMount[]> {
    return (await this.#kernel.mounts()).filter(isRemote);
  }

  /** What the address asks for, or null; its token goes from there into this tab's memory. */
  takeLink(): GoferRequest | null {
    const request = readGoferLink(location.href);
    if (request === null) return null;
    if (request.token !== '') sessionStorage.setItem(tokenKey(request.source), request.token);
    history.replaceState(history.state, '', writeGoferLink(location.href, request));
    return { ...request, token: sessionStorage.getItem(tokenKey(request.source)) ?? '' };
  }

  /** Where another one can be mounted: the first place that nothing is mounted at. */
  async freePlace(): Promise<string> {
    const taken = new Set((await this.#kernel.mounts()).map(({ path }) => path));
    let place = MOUNT_POINT;
    for (let number = 2; taken.has(place); number++) place = `${MOUNT_POINT}-${number}`;
    return place;
  }

  /** Mounts a gofer. From then on the address asks for it. Errors: with a message for users. */
  async connect({ source, token, path, cache }: GoferRequest): Promise<void> {
    if (source === '') throw new RequestError('The address is missing.');
    if (!path.startsWith('/') || /^\/+$/.test(path)) {
      throw new RequestError('The mount point is a path, such as /remote.');
    }
    const place = `/${path.split('/').filter(Boolean).join('/')}`;
    const taken = (await this.#kernel.mounts()).find((mount) => mount.path === place);
    if (taken !== undefined) {
      throw new RequestError(`Something is mounted at ${place} already: choose another place.`);
    }
    const { fs } = this.#kernel;
    const before = await fs.stat(place).catch(nullIfFsError);
    const options = { cache, ...(token !== '' && { token }) };
    try {
      await this.#kernel.mount(place, { type: 'gofer', source, options });
    } catch (error) {
      if (before === null) await this.#removeMountPoint(place);
      throw error;
    }
    if (token !== '') sessionStorage.setItem(tokenKey(source), token);
    this.#remember({ source, path: place, cache });
  }

  /** Resolves to false if the user has thought better of it. Errors: FsError, KernelError. */
  async disconnect({ path, link, source }: RemoteMount): Promise<boolean> {
    const isThere = link.state === 'connected';
    if (isThere && (await this.#unmount(path, source))) return true;
    const question = isThere
      ? 'A program has files there open. They will fail with EIO.'
      : 'The server can’t be reached. What was written and has not arrived there is lost.';
    if (!(await confirm(`Disconnect ${path}?`, question, 'Disconnect'))) return false;
    await this.#kernel.umount(path, { force: true });
    await this.#forget(path, source);
    return true;
  }

  /** False if it is in use. Errors: FsError of what could not be sent; KernelError. */
  async #unmount(path: string, source: string): Promise<boolean> {
    try {
      await this.#kernel.umount(path);
    } catch (error) {
      if (errorCode(error) === 'EBUSY') return false;
      // The mount is gone all the same.
      await this.#forget(path, source);
      throw error;
    }
    await this.#forget(path, source);
    return true;
  }

  reconnect({ path }: RemoteMount): Promise<void> {
    return this.#kernel.reconnect(path);
  }

  async #forget(path: string, source: string): Promise<void> {
    await this.#removeMountPoint(path);
    if (readGoferLink(location.href)?.source === source) this.#remember(null);
  }

  /** Otherwise what is written there later would silently stay in the browser. */
  async #removeMountPoint(path: string): Promise<void> {
    // There may be files in it, from before.
    await this.#kernel.fs.rmdir(path).catch(nullIfFsError);
  }

  #remember(request: Omit<GoferRequest, 'token'> | null): void {
    history.replaceState(history.state, '', writeGoferLink(location.href, request));
  }
}
