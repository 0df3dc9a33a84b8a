// Origins: pages that may connect. A browser says with every handshake which page asks; without
// this any page that somebody visits could try the servers of their machine.

import { isIPv4, isIPv6 } from 'node:net';

/** Names of this machine, as an origin has them. */
const LOOPBACK_ORIGIN = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;

/** Nobody but this machine reaches it. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  if (isIPv6(host)) return host === '::1';
  return host.toLowerCase() === 'localhost';
}

/** As browsers say it; undefined if `text` is none. */
export function parseOrigin(text: string): string | undefined {
  const isOrigin = /^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s*]+\/?$/i.test(text);
  if (!isOrigin || !URL.canParse(text)) return undefined;
  const { origin, protocol, host } = new URL(text);
  // Those of browsers' extensions are no origins to URL.
  return origin === 'null' ? `${protocol}//${host}` : origin;
}

export interface OriginRules {
  /** Origins, as parseOrigin() makes them. */
  readonly allowed: readonly string[];
  /** What the server listens on. */
  readonly host: string;
}

/** Undefined: no browser asks. */
export function isAllowedOrigin(origin: string | undefined, rules: OriginRules): boolean {
  if (origin === undefined) return true;
  const isOfThisMachine = isLoopback(rules.host) && LOOPBACK_ORIGIN.test(origin);
  return isOfThisMachine || rules.allowed.includes(origin);
}
