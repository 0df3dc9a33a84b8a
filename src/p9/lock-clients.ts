// Whose a lock is: a process of a client, by the protocol. Burrow's clients say in their name what
// kind of lock it is, too, which 9P has no word for: servers that don't know of it take each for
// what the protocol has, a record lock, and Burrow's keep the kinds apart.

import { hexOf } from '../lib/text.ts';
import type { LockKind } from '../locks/lock-table.ts';

/** Bytes of a name that nobody guesses: whoever says it is the one who has the locks. */
export const LOCK_CLIENT_SIZE = 16;

const BURROW_CLIENT = /^(burrow-[0-9a-f]{32})\/\d+\/(record|flock|ofd)$/;

/** What a client is called, out of so many random bytes. */
export function lockClientName(randomBytes: Uint8Array): string {
  return `burrow-${hexOf(randomBytes)}`;
}

/** An owner's, whose number no other owner of the client has. */
export function lockClientId(client: string, owner: number, kind: LockKind): string {
  return `${client}/${owner}/${kind}`;
}

/** Undefined if it isn't one of Burrow's. */
export function lockKindOf(clientId: string): LockKind | undefined {
  return BURROW_CLIENT.exec(clientId)?.[2] as LockKind | undefined;
}

/** As lockClientName(); undefined if it isn't one of Burrow's. */
export function lockClientOf(clientId: string): string | undefined {
  return BURROW_CLIENT.exec(clientId)?.[1];
}
