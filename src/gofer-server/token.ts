// Tokens: what a client has to know. It says its token in a subprotocol, since a browser's
// WebSocket can set no headers, or in the header Authorization.

import { Buffer } from 'node:buffer';
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { platform } from 'node:os';
import { BEARER_PREFIX, problemsOfToken, TOKEN_SIZE_MAX } from '../transport/gofer-url.ts';

/** Bytes of a token that is made: 128 bits can't be guessed. */
const MADE_TOKEN_SIZE = 16;
/** The token, and an end of line. */
const FILE_SIZE_MAX = TOKEN_SIZE_MAX + 2;
/** Permission bits that let anybody but the owner in. */
const OTHERS = 0o077;

/** Where the token that clients must have comes from. */
export type Auth =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  /** Read anew for every connection, so that it can be changed. */
  | { readonly kind: 'file'; readonly path: string };

/** A token's file that can't be used, and what is wrong with it. Never has the token. */
export class TokenFileError extends Error {
  override readonly name = 'TokenFileError';
}

export function makeToken(): string {
  return randomBytes(MADE_TOKEN_SIZE).toString('base64url');
}

/** Errors: TokenFileError. */
export async function readToken(auth: Exclude<Auth, { kind: 'none' }>): Promise<string> {
  return auth.kind === 'token' ? auth.token : readTokenFile(auth.path);
}

async function readTokenFile(path: string): Promise<string> {
  const refuse = (problem: string): TokenFileError => new TokenFileError(`${path} ${problem}`);
  // A FIFO would be waited for. Windows doesn't have the flag.
  const flags = constants.O_RDONLY | (platform() === 'win32' ? 0 : constants.O_NONBLOCK);
  const file = await open(path, flags).catch((error: unknown) => {
    const code = codeOf(error);
    throw refuse(code === 'ENOENT' ? 'is not there' : `can't be opened: ${code}`);
  });
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw refuse('is no regular file');
    const mode = stats.mode & 0o777;
    // Windows' modes say nothing about others.
    if (platform() !== 'win32' && (mode & OTHERS) !== 0) {
      const octal = mode.toString(8).padStart(4, '0');
      throw refuse(`has mode ${octal}, and others must have no access to it: chmod 600`);
    }
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FILE_SIZE_MAX + 1), 0);
    if (bytesRead > FILE_SIZE_MAX) throw refuse(`has more than ${TOKEN_SIZE_MAX} bytes`);
    const token = buffer.toString('utf8', 0, bytesRead).replace(/\r?\n$/, '');
    const [problem] = problemsOfToken(token);
    if (problem !== undefined) throw refuse(`holds no token: it ${problem}`);
    return token;
  } finally {
    await file.close();
  }
}

function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { readonly code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : String(error);
}

/** The subprotocols a client offers; those that carry a token are not among them. */
export function offeredProtocols(headers: IncomingHttpHeaders): string[] {
  return allOffered(headers).filter((protocol) => !protocol.startsWith(BEARER_PREFIX));
}

function allOffered(headers: IncomingHttpHeaders): string[] {
  const offered = headers['sec-websocket-protocol'] ?? '';
  return offered.split(',').flatMap((protocol) => protocol.trim() || []);
}

/** Undefined if it says none. */
export function saidToken(headers: IncomingHttpHeaders): string | undefined {
  const protocol = allOffered(headers).find((offered) => offered.startsWith(BEARER_PREFIX));
  if (protocol !== undefined) {
    return Buffer.from(protocol.slice(BEARER_PREFIX.length), 'base64url').toString('utf8');
  }
  return /^bearer +(.*)$/i.exec(headers.authorization ?? '')?.[1];
}

/** Takes as long whatever the difference is. */
export function isSameToken(said: string, token: string): boolean {
  return timingSafeEqual(hashOf(said), hashOf(token));
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
