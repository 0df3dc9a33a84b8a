// BootVerifier: tells one start of the host from another. A server that is started anew finds what
// an earlier one wrote in the host's memory; after the host itself was, what wasn't synced is gone.

import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** Linux: drivers/char/random.c. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';
const SIZE = 16;

/** Where the host has none, each start of the server counts as one of the host. */
export async function readBootVerifier(path = BOOT_ID): Promise<Uint8Array> {
  try {
    const bytes = Buffer.from((await readFile(path, 'utf8')).replace(/[^0-9a-f]/gi, ''), 'hex');
    if (bytes.length === SIZE) return bytes;
  } catch {
    // The host isn't Linux.
  }
  return randomBytes(SIZE);
}
