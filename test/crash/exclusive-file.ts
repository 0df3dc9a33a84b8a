// A file in memory that only one can have open at a time.

import { StoreError } from '../../src/store/store-error.ts';
import { CrashFile } from './crash-file.ts';

export class ExclusiveFile extends CrashFile {
  isOpen = false;

  /** Errors: StoreError 'unavailable' if somebody has it. */
  open(): this {
    if (this.isOpen) throw new StoreError('unavailable', 'in use');
    this.isOpen = true;
    return this;
  }

  override close(): void {
    this.isOpen = false;
  }
}
