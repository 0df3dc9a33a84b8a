// What the page is told of a mount: MountInfo of the public API.

import type { LinkState } from '../src/api-links.ts';
import type { CommitState, MirrorState, MountInfo } from '../src/api-storage.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import type { CommitStatus } from '../src/vfs/filesystem.ts';
import type { RemoteStatus } from '../src/vfs/remote-link.ts';

export function mountInfo(row: Kernel['mounts'][number]): MountInfo {
  return {
    ...row,
    snapshot: row.snapshot ?? null,
    commit: row.commit === undefined ? null : commitState(row.commit),
    holder: row.holder ?? null,
    link: row.link === undefined ? null : linkState(row.link),
  };
}

export function linkState(status: RemoteStatus): LinkState {
  return {
    state: status.state,
    reason: status.reason ?? null,
    latency: status.latencyMs ?? null,
    cache: status.cache,
    locks: status.locks,
    requests: status.requestCount,
    requestsSaved: status.savedCount,
    sentBytes: status.sentBytes,
    receivedBytes: status.receivedBytes,
    reconnects: status.reconnectCount,
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
