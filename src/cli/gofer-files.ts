// The files that the command line of `burrowfs gofer` names, looked at before anything is opened,
// so that what is wrong is said with the option it is wrong in.

import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { TlsFiles } from '../gofer-server/http-server.ts';
import { type Auth, readToken, TokenFileError } from '../gofer-server/token.ts';
import type { GoferOptions } from './gofer-options.ts';
import { UsageError, wrongValue } from './usage-error.ts';

/** Node's code of an error of the host's. */
function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { readonly code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** What is wrong, in words, and the code. */
function problemOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT') return 'there is no such file or folder';
  if (code === 'ENOTDIR') return 'what is on the way to it is no folder';
  if (code === 'EACCES' || code === 'EPERM') return `this user may not read it (${code})`;
  if (code === undefined) throw error;
  return `it can not be read (${code})`;
}

/** Returns the whole path. Errors: UsageError. */
export async function checkDirectory(directory: string): Promise<string> {
  const path = resolve(directory);
  try {
    if (!(await stat(path)).isDirectory()) throw wrongValue('DIR', path, 'it is no folder');
    await access(path, constants.R_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw wrongValue('DIR', path, problemOf(error));
  }
  return path;
}

/** Errors: UsageError for a token's file that can't be used as it is now. */
export async function checkAuth(auth: Auth): Promise<void> {
  if (auth.kind === 'none') return;
  try {
    await readToken(auth);
  } catch (error) {
    if (!(error instanceof TokenFileError)) throw error;
    throw new UsageError(`--token-file: ${error.message}`);
  }
}

/** Errors: UsageError. */
export async function readTlsFiles({ tlsPaths }: GoferOptions): Promise<TlsFiles | undefined> {
  if (tlsPaths === undefined) return undefined;
  const cert = await readPem('--tls-cert', tlsPaths.cert);
  const key = await readPem('--tls-key', tlsPaths.key);
  checkPem(() => createSecureContext({ cert }), `--tls-cert "${tlsPaths.cert}"`);
  const keyOption = `--tls-key "${tlsPaths.key}"`;
  checkPem(() => createSecureContext({ key }), keyOption);
  checkPem(() => createSecureContext({ cert, key }), `${keyOption} is not that of --tls-cert`);
  return { cert, key };
}

async function readPem(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw wrongValue(option, path, problemOf(error));
  }
}

/** OpenSSL's reason is in Node's message; of a key it says nothing of its bytes. */
function checkPem(use: () => unknown, what: string): void {
  try {
    use();
  } catch (error) {
    if (codeOf(error)?.startsWith('ERR_') !== true) throw error;
    throw new UsageError(`${what}: it can not be used (${codeOf(error) ?? ''}); PEM is wanted`);
  }
}
