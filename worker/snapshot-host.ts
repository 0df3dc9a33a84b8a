// Snapshots on the kernel's side: requests of the page as calls of the kernel.

import type { Kernel } from '../src/kernel/kernel.ts';
import type { Op } from '../src/lib/op.ts';
import type { SnapshotAnswer, SnapshotRequest } from './protocol.ts';

/** Errors: those of Snapshots (src/kernel/snapshots.ts). */
export function* answerSnapshots(
  { snapshots }: Kernel,
  request: SnapshotRequest,
): Op<SnapshotAnswer> {
  const { path } = request;
  const nothing: SnapshotAnswer = { list: [], keptAs: null };
  switch (request.kind) {
    case 'create':
      yield* snapshots.create(path, request.name, { isWritable: request.isWritable });
      return nothing;
    case 'list': {
      const list = (yield* snapshots.list(path)).map(({ name, createdAt, isReadOnly }) => ({
        name,
        createdAt,
        isWritable: !isReadOnly,
      }));
      return { ...nothing, list };
    }
    case 'delete':
      yield* snapshots.delete(path, request.name);
      return nothing;
    case 'rollback': {
      const { name, keepAs } = request;
      return { ...nothing, keptAs: yield* snapshots.rollback(path, name, { keepAs }) };
    }
  }
}
