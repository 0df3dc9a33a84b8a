// LevelDB, below IndexedDB in Chromium, goes on writing to the log of a process that was killed,
// behind a record that may be torn; the open after the next then finds a checksum mismatch and
// throws the whole database away. Writing about 2.4 MB makes LevelDB begin a new log.

import type { Database } from './database.ts';
import type { IndexedDb } from './records.ts';

const RECORD_COUNT = 40;
/** Below the size from which Chromium keeps a value in a file of its own. */
const RECORD_BYTES = 60_000;
const KEY = 'rotation';

/** To be called first after a session that didn't end in order. Errors: ENOSPC, EIO. */
export async function rotateLog(
  database: Database,
  KeyRange: IndexedDb['KeyRange'],
): Promise<void> {
  const filler = new Uint8Array(RECORD_BYTES);
  await database.write('strict', (store) => {
    for (let i = 0; i < RECORD_COUNT; i++) store.put(filler, [KEY, i]);
  });
  await database.write('relaxed', (store) => {
    store.delete(KeyRange.bound([KEY], [KEY, []]));
  });
}
