// What read(2) of an inotify descriptor gives, and its decoder. Linux: inotify(7), struct
// inotify_event.

import { INOTIFY_EVENT_SIZE } from '../../src/abi/inotify.ts';
import { decodeUtf8 } from '../../src/lib/text.ts';
import { CheckFailed } from './check.ts';

export interface InotifyEvent {
  readonly wd: number;
  /** An unsigned 32-bit integer. */
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}

/** Errors: CheckFailed for bytes that are no sequence of whole events. */
export function decodeInotifyEvents(bytes: Uint8Array): InotifyEvent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const events: InotifyEvent[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + INOTIFY_EVENT_SIZE > bytes.length) throw new CheckFailed('an event is cut off');
    const length = view.getUint32(at + 12, true);
    const end = at + INOTIFY_EVENT_SIZE + length;
    if (end > bytes.length) throw new CheckFailed('the name of an event is cut off');
    if (length % INOTIFY_EVENT_SIZE !== 0) throw new CheckFailed(`a name of ${length} bytes`);
    events.push({
      wd: view.getInt32(at, true),
      mask: view.getUint32(at + 4, true),
      cookie: view.getUint32(at + 8, true),
      name: nameOf(bytes.subarray(at + INOTIFY_EVENT_SIZE, end)),
    });
    at = end;
  }
  return events;
}

/** A name ends with a NUL and is filled up with more of them. */
function nameOf(field: Uint8Array): string {
  if (field.length === 0) return '';
  const length = field.indexOf(0);
  const isPadded = length > 0 && field.subarray(length).every((byte) => byte === 0);
  if (!isPadded) throw new CheckFailed('a name that does not end in NULs');
  return decodeUtf8(field.subarray(0, length));
}
