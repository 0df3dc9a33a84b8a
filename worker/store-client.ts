// Checks, repairs and images on the page's side.

import { transfer } from 'comlink';
import type {
  CheckOptions,
  CheckResult,
  ExportImageOptions,
  ImageSummary,
  ImportImageOptions,
  RepairOptions,
  RepairResult,
} from '../src/image/options.ts';
import {
  exportStream,
  importStream,
  interruptibly,
  type KernelCaller,
  progressProxy,
  type StreamSource,
} from './archive-client.ts';
import { valueOf } from './outcome.ts';
import type { ExportImageRequest, ImportImageRequest } from './protocol.ts';

export async function check(
  worker: KernelCaller,
  call: number,
  path: string,
  options: CheckOptions,
): Promise<CheckResult> {
  const onProgress = progressProxy(options.onProgress);
  return await interruptibly(worker, call, options.signal, async () => {
    const outcome = await worker.call((service) => service.check({ call, path }, onProgress));
    return valueOf(outcome, 'check', path);
  });
}

export async function repair(
  worker: KernelCaller,
  source: string,
  options: RepairOptions,
): Promise<RepairResult> {
  const outcome = await worker.call((service) => service.repair(source, options));
  return valueOf(outcome, 'repair', source);
}

export function exportImage(
  worker: KernelCaller,
  call: number,
  path: string,
  options: ExportImageOptions,
): ReadableStream<Uint8Array> {
  const { gzip = false, signal } = options;
  return exportStream({ worker, call, signal }, async (target) => {
    const request: ExportImageRequest = { call, path, gzip, target };
    const onProgress = progressProxy(options.onProgress);
    const outcome = await worker.call((service) =>
      service.exportImage(transfer(request, [target]), onProgress),
    );
    valueOf(outcome, 'exportImage', path);
  });
}

export async function importImage(
  worker: KernelCaller,
  call: number,
  source: string,
  options: ImportImageOptions & { readonly image: StreamSource },
): Promise<ImageSummary> {
  const { overwrite = false, signal } = options;
  signal?.throwIfAborted();
  const onProgress = progressProxy(options.onProgress);
  const start = async (
    image: ReadableStream<Uint8Array> | Blob,
    transferred: Transferable[],
  ): Promise<ImageSummary> => {
    const request: ImportImageRequest = { call, source, overwrite, image };
    const outcome = await worker.call((service) =>
      service.importImage(transfer(request, transferred), onProgress),
    );
    return valueOf(outcome, 'importImage', source);
  };
  return await importStream({ worker, call, signal }, options.image, start);
}
