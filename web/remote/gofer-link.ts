// The gofer that the page's address asks for: ?gofer=ws://host/#token=… , with at= for another
// mount point and cache= for another cache mode. The token is in the fragment, which no browser
// sends, and is taken out of the address once it was read: addresses are copied, shown and kept.

import type { GoferOptions } from '../../src/index.ts';

export const MOUNT_POINT = '/remote';

/** As the page offers them: by who else changes the files. */
export const CACHE_MODES = ['shared', 'writethrough', 'exclusive', 'none'] as const;
export type CacheMode = (typeof CACHE_MODES)[number];
/** Whoever has the folder on their machine changes files there, too. */
export const DEFAULT_CACHE: CacheMode = 'shared';

export interface GoferRequest {
  /** Without the token. */
  readonly source: string;
  readonly token: string;
  readonly path: string;
  readonly cache: NonNullable<GoferOptions['cache']>;
}

const TOKEN = 'token=';

/** Text that somebody has pasted, as address and token; no token is ''. */
export function splitSource(text: string): { source: string; token: string } {
  const [source = '', ...rest] = text.trim().split('#');
  const fragment = rest.join('#');
  if (fragment === '') return { source, token: '' };
  // What isn't a token is left for the kernel to say so.
  if (!fragment.startsWith(TOKEN)) return { source: text.trim(), token: '' };
  return { source, token: decode(fragment.slice(TOKEN.length)) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return text;
  }
}

/** What an address asks for, or null. A token behind # counts before one within ?gofer=. */
export function readGoferLink(address: string): GoferRequest | null {
  const { searchParams, hash } = new URL(address);
  const gofer = searchParams.get('gofer');
  if (gofer === null || gofer.trim() === '') return null;
  const { source, token } = splitSource(gofer);
  const outer = splitSource(hash).token;
  return {
    source,
    token: outer === '' ? token : outer,
    path: searchParams.get('at') ?? MOUNT_POINT,
    cache: searchParams.get('cache') ?? DEFAULT_CACHE,
  };
}

/** The address without any token, asking for this gofer; with null for none. */
export function writeGoferLink(
  address: string,
  request: Omit<GoferRequest, 'token'> | null,
): string {
  const url = new URL(address);
  const { searchParams } = url;
  for (const name of ['gofer', 'at', 'cache']) searchParams.delete(name);
  url.hash = '';
  if (request === null) return url.href;
  const { source, path, cache } = request;
  searchParams.set('gofer', source);
  if (path !== MOUNT_POINT) searchParams.set('at', path);
  if (cache !== DEFAULT_CACHE) searchParams.set('cache', cache);
  return url.href;
}
