// Snapshots on the page's side: what KernelClient does with them.

import type { Remote } from 'comlink';
import type { SnapshotInfo, Snapshots } from '../src/api-snapshots.ts';
import { valueOf } from './outcome.ts';
import type { KernelService, SnapshotAnswer, SnapshotRequest } from './protocol.ts';

/** Calls the kernel worker. Errors: KernelError when it dies or has died. */
interface KernelCaller {
  call<T>(run: (service: Remote<KernelService>) => Promise<T>): Promise<T>;
}

export class SnapshotsClient implements Snapshots {
  readonly #worker: KernelCaller;

  constructor(worker: KernelCaller) {
    this.#worker = worker;
  }

  async snapshot(path: string, name: string, options: { writable?: boolean } = {}): Promise<void> {
    const isWritable = options.writable ?? false;
    await this.#ask('snapshot', { kind: 'create', path, name, isWritable });
  }

  async snapshots(path: string): Promise<SnapshotInfo[]> {
    return (await this.#ask('snapshots', { kind: 'list', path })).list;
  }

  async deleteSnapshot(path: string, name: string): Promise<void> {
    await this.#ask('deleteSnapshot', { kind: 'delete', path, name });
  }

  async rollback(
    path: string,
    name: string,
    { keepAs }: { keepAs?: string | null } = {},
  ): Promise<string | null> {
    return (await this.#ask('rollback', { kind: 'rollback', path, name, keepAs })).keptAs;
  }

  async #ask(what: string, request: SnapshotRequest): Promise<SnapshotAnswer> {
    const outcome = await this.#worker.call((service) => service.snapshots(request));
    return valueOf(outcome, what, request.path);
  }
}
