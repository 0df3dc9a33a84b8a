// FsError: what kernel.fs rejects with. Shaped like Node's system errors.

import { type ErrnoName, linuxerr } from '../src/abi/errno.ts';

export class FsError extends Error {
  override readonly name = 'FsError';
  /** 'ENOENT' … */
  readonly code: string;
  /** Negative, as in Node. */
  readonly errno: number;
  /** What was called: 'open', 'rename' … */
  readonly syscall: string;
  readonly path: string | undefined;
  /** The second path of rename, link, symlink and copies. */
  readonly dest: string | undefined;

  /** `detail`: what else there is to say. */
  constructor(code: string, syscall: string, path?: string, dest?: string, detail?: string) {
    const known = linuxerr[code as ErrnoName] as (typeof linuxerr)[ErrnoName] | undefined;
    const where = path === undefined ? '' : ` '${path}'`;
    const to = dest === undefined ? '' : ` -> '${dest}'`;
    const more = detail === undefined ? '' : `: ${detail}`;
    super(`${code}: ${known?.meaning ?? 'unknown error'}, ${syscall}${where}${to}${more}`);
    this.code = code;
    this.errno = -(known?.errno ?? 0);
    this.syscall = syscall;
    this.path = path;
    this.dest = dest;
  }
}

/** Why boot() or spawn() could not do what was asked. The message is meant for users. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
  /**
   * 'locked': another tab has the store open. 'data-loss': the browser lost it. 'damaged': what is
   * stored can't be read. 'unknown-format': a newer version wrote it. 'unavailable': the browser
   * offers no storage. 'stopped': the kernel is gone. Otherwise undefined.
   */
  readonly reason: string | undefined;

  constructor(message: string, reason?: string) {
    super(message);
    this.reason = reason;
  }
}
