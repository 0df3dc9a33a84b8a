// Mount options of a gofer: what they come to, and what is said of those that can't be meant.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { checkOptions } from '../../../src/fs/gofer/check-options.ts';
import { GoferError } from '../../../src/fs/gofer/gofer-error.ts';
import type { GoferOptions } from '../../../src/fs/gofer/mount-options.ts';
import { MemoryGofer } from './memory-gofer.ts';

describe('are taken', () => {
  test('none: as nobody else changes anything', () => {
    expect(checkOptions({})).toMatchObject({
      version: { protocol: 'lisafs' },
      aname: '/',
      settings: { cache: 'exclusive', dfltuid: 65534, dfltgid: 65534 },
    });
  });

  test.each<[name: string, mode: string]>([
    ['fscache', 'exclusive'],
    ['fscache_writethrough', 'writethrough'],
    ['remote_revalidating', 'shared'],
    ['none', 'none'],
    ['exclusive', 'exclusive'],
    ['writethrough', 'writethrough'],
    ['shared', 'shared'],
  ])('cache=%s is %s', (cache, mode) => {
    expect(checkOptions({ cache }).settings.cache).toBe(mode);
  });

  test.each<[aname: string, cleaned: string]>([
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['//a/./b/', '/a/b'],
    ['/a/../b', '/b'],
    ['/../..', '/'],
  ])('aname=%s is %s', (aname, cleaned) => {
    expect(checkOptions({ aname }).aname).toBe(cleaned);
  });

  test('numbers, and page caches that are there', () => {
    const options = { version: '9P2000.L.Google.3', msize: 8192, dentry_cache_limit: 0 };
    const checked = checkOptions({ ...options, dfltuid: 0, dfltgid: 2 ** 32 - 2, timeout: 0 });
    expect(checked).toMatchObject({
      version: { protocol: '9p2000.L', versionMax: 3 },
      msize: 8192,
      timeoutMs: 0,
      settings: { dentryCacheLimit: 0, dfltuid: 0, dfltgid: 2 ** 32 - 2 },
    });
    expect(checkOptions({ cache: 'shared', force_page_cache: true }).settings.cache).toBe('shared');
    expect(checkOptions({ cache: 'none', force_page_cache: false }).settings.cache).toBe('none');
  });
});

/** Of JavaScript, where no compiler looks. */
const REFUSED: readonly (readonly [options: object, message: string])[] = [
  [{ cach: 'shared' }, 'cach is no mount option of a gofer: they are aname, cache, '],
  [{ toString: 1 }, 'toString is no mount option of a gofer: '],
  [{ cache: 'sometimes' }, 'cache="sometimes" is no cache mode of a gofer: use one of fscache, '],
  [{ cache: 'toString' }, 'cache="toString" is no cache mode of a gofer: '],
  [{ cache: 1 }, 'cache=1 is no cache mode of a gofer: '],
  [
    { version: '9P2000' },
    'version="9P2000" is no protocol of a gofer: use one of lisafs, 9P2000.L',
  ],
  [{ version: 9 }, 'version=9 is no protocol of a gofer: '],
  [{ msize: 8192 }, 'msize=8192 is for version=9P2000.L: leave it out with lisafs.'],
  [{ version: '9P2000.L', msize: 100 }, 'msize=100 must be a whole number of bytes from 4096 to '],
  [{ version: '9P2000.L', msize: '8192' }, 'msize="8192" must be a whole number of bytes '],
  [{ version: '9P2000.L', msize: 8192n }, 'msize=8192n must be a whole number of bytes '],
  [{ aname: 'a' }, 'aname="a" must be an absolute path: begin it with "/".'],
  [{ aname: '' }, 'aname="" must be an absolute path: begin it with "/".'],
  [{ aname: ['/'] }, 'aname=["/"] must be an absolute path: begin it with "/".'],
  [{ timeout: -1 }, 'timeout=-1 must be a whole number, and not negative.'],
  [{ timeout: Infinity }, 'timeout=Infinity must be a whole number, and not negative.'],
  [{ dentry_cache_limit: 1.5 }, 'dentry_cache_limit=1.5 must be a whole number, and not negative.'],
  [{ cacheSize: '64m' }, 'cacheSize="64m" must be a whole number, and not negative.'],
  [{ dirtyLimit: null }, 'dirtyLimit=null must be a whole number, and not negative.'],
  [{ dfltuid: 2 ** 32 - 1 }, 'dfltuid=4294967295 must be a whole number, from 0 to 4294967294.'],
  [{ dfltgid: 'root' }, 'dfltgid="root" must be a whole number, from 0 to 4294967294.'],
  [{ force_page_cache: 1 }, 'force_page_cache=1 must be true or false.'],
  [
    { cache: 'none', force_page_cache: true },
    "force_page_cache=true doesn't go with cache=none, which has no page cache: leave one out.",
  ],
];

test.each(REFUSED)('%o: %s', (options, message) => {
  const check = (): unknown => checkOptions(options);
  expect(check).toThrow(GoferError);
  expect(check).toThrow(message);
});

describe('mounted', () => {
  let gofer: MemoryGofer;

  beforeEach(() => {
    gofer = new MemoryGofer();
  });

  afterEach(async () => {
    await gofer.close();
  });

  test('those of every mount go with them', async () => {
    await gofer.mount({ cache: 'shared', readOnly: true, noatime: true });
    const program = await gofer.program();
    await expect(program.open('/new', O_RDWR | O_CREAT)).rejects.toThrow('EROFS');
  });

  test('one that there is none of is refused, and nothing stays of it', async () => {
    const misspelt = { cach: 'shared' } as GoferOptions;
    await expect(gofer.mount(misspelt)).rejects.toThrow('cach is no mount option of a gofer');
    await gofer.mount({});
  });
});
