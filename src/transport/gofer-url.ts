// The address of a gofer, as `burrowfs gofer` prints it: ws://127.0.0.1:5640/#token=<token>. The
// fragment is never sent. The token goes as a second subprotocol, since a browser's WebSocket can
// set no headers, and URLs end up in logs.

import { type LinuxError, linuxerr } from '../abi/errno.ts';
import { encodeUtf8 } from '../lib/text.ts';

/** Behind it comes the token in UTF-8, as base64url without padding. */
export const BEARER_PREFIX = 'burrowfs.bearer.';
/** Bytes of a token: with the rest of a request's headers it must fit into 16 KiB. */
export const TOKEN_SIZE_MAX = 1024;

const FRAGMENT_KEY = 'token=';

const SCHEMES: Readonly<Record<string, string>> = {
  'ws:': 'ws:',
  'wss:': 'wss:',
  'http:': 'ws:',
  'https:': 'wss:',
};

export interface GoferAddress {
  /** What a WebSocket is opened with. */
  readonly url: string;
  /** Undefined if the address has none: the server may want none. */
  readonly token: string | undefined;
}

/** Text that is no gofer's address. Its message doesn't repeat it, as it may hold a token. */
export class GoferUrlError extends Error {
  override readonly name = 'GoferUrlError';
  /** What a system call says of it. */
  readonly error: LinuxError = linuxerr.EINVAL;
  /** All that is wrong, for people. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`not the address of a gofer: ${problems.join('; ')}`);
    this.problems = problems;
  }
}

/** Errors: GoferUrlError. */
export function parseGoferUrl(source: string): GoferAddress {
  const text = source.trim();
  if (!URL.canParse(text)) {
    throw new GoferUrlError(['it is no URL, such as ws://127.0.0.1:5640/#token=…']);
  }
  const url = new URL(text);
  const problems: string[] = [];
  const scheme = SCHEMES[url.protocol];
  if (scheme === undefined) problems.push(`it begins with ${url.protocol} and not ws: or wss:`);
  if (url.username !== '' || url.password !== '') {
    problems.push('it has a user or a password, which a WebSocket does not send');
  }
  if (url.searchParams.has('token')) {
    problems.push('the token goes behind #, not behind ?, where servers log it');
  }
  const token = parseFragment(url.hash, problems);
  if (problems.length > 0) throw new GoferUrlError(problems);
  // The setter of `protocol` refuses to leave http:.
  const rest = `//${url.host}${url.pathname}${url.search}`;
  return { url: `${scheme ?? ''}${rest}`, token };
}

/** Adds to `problems`. */
function parseFragment(hash: string, problems: string[]): string | undefined {
  const fragment = hash.replace(/^#/, '');
  if (fragment === '') return undefined;
  if (!fragment.startsWith(FRAGMENT_KEY)) {
    problems.push('what is behind # does not begin with token=');
    return undefined;
  }
  const token = decodePercent(fragment.slice(FRAGMENT_KEY.length));
  if (token === undefined) problems.push('the token has a % that begins no character');
  else problems.push(...problemsOfToken(token).map((problem) => `the token ${problem}`));
  return token;
}

function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return undefined;
  }
}

/** What is wrong with a token, to be read after "the token"; nothing says it back. */
export function problemsOfToken(token: string): string[] {
  const problems: string[] = [];
  if (token === '') problems.push('is empty');
  if (encodeUtf8(token).length > TOKEN_SIZE_MAX) {
    problems.push(`has more than ${TOKEN_SIZE_MAX} bytes`);
  }
  if (/[\p{Cc}\p{Cs}]/u.test(token))
    problems.push('has a control character or half a surrogate pair');
  return problems;
}

/** The address to paste into a page. */
export function printGoferUrl({ url, token }: GoferAddress): string {
  return token === undefined ? url : `${url}#${FRAGMENT_KEY}${encodeURIComponent(token)}`;
}

/** What a client offers besides the protocols it speaks: see ConnectOptions.extraProtocols. */
export function protocolsFor(token: string | undefined): string[] {
  return token === undefined ? [] : [`${BEARER_PREFIX}${encodeBase64url(encodeUtf8(token))}`];
}

function encodeBase64url(bytes: Uint8Array): string {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
