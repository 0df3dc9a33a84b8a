// What the page is told of a mount: MountInfo of the public API.

import type { CommitState, MirrorState, MountInfo } from '../src/api-storage.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import type { CommitStatus } from '../src/vfs/filesystem.ts';

export function mountInfo(row: Kernel['mounts'][number]): MountInfo {
  return {
    ...row,
    snapshot: row.snapshot ?? null,
    commit: row.commit === undefined ? null : commitState(row.commit),
    holder: row.holder ?? null,
  };
}

function commitState(status: CommitStatus): CommitState {
  return {
    health: status.health,
    dirtyBytes: status.dirtyBytes,
    committing: status.isCommitting,
    commits: status.commitCount,
    lastCommit: status.lastCommitMs ?? null,
    error: status.lastError ?? null,
    mirror: mirrorState(status.mirror),
  };
}

function mirrorState(status: CommitStatus['mirror']): MirrorState | null {
  return status === undefined ? null : { ...status, reason: status.reason ?? null };
}
