// 9P versions: which messages two sides can exchange. Mirrors gVisor pkg/p9/version.go.
//
// gVisor's `9P2000.L.Google.N` has what every lower N has; plain `9P2000.L` is its version 0.

const BASE = '9P2000.L';
/** A WebSocket's subprotocol: each of its binary messages is one of 9P's. */
export const P9_PROTOCOL = '9p2000.L';
/** What a server answers that speaks none of what was asked for. 9P: version(5). */
export const UNKNOWN_VERSION = 'unknown';

/** The latest of gVisor's. */
export const LATEST_VERSION = 13;

/** Versions that changed what there was; for messages that came new, see their table. */
export const ANONYMOUS_CONNECT_VERSION = 5;
export const MULTI_USER_VERSION = 6;
/** Tlopen takes O_TRUNC. */
export const OPEN_TRUNCATE_VERSION = 9;

/** N of a version; undefined for one that is neither 9P2000.L nor gVisor's. */
export function parseVersion(text: string): number | undefined {
  if (text === BASE) return 0;
  const digits = /^9P2000\.L\.Google\.(\d{1,10})$/.exec(text)?.[1];
  if (digits === undefined) return undefined;
  const version = Number(digits);
  return version <= 0xffff_ffff ? version : undefined;
}

export function versionText(version: number): string {
  return version === 0 ? BASE : `${BASE}.Google.${version}`;
}
