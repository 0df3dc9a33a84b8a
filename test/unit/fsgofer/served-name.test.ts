// Names of the host as text: every name has one text, and every file is reached by it.

import { Buffer } from 'node:buffer';
import { existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LinuxError, linuxerr } from '../../../src/abi/errno.ts';
import { AT_REMOVEDIR, O_RDONLY } from '../../../src/abi/fcntl.ts';
import { fromHostBytes, hostBytes } from '../../../src/fsgofer/host-name.ts';
import { fromHostName, toHostName } from '../../../src/fsgofer/served-name.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { useServedTree } from './served-support.ts';
import { bytePath, NOT_UTF8 } from './support.ts';

const SEED = 20_260_101;

/** Bytes as names have them, with much that is nearly UTF-8, or a character we use ourselves. */
const bytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc
        .constantFrom('a', 'ä', '€', '😀', '\ufeff', '\uef7f', '\uef80', '\uefff', '\uf000')
        .map(encodeUtf8),
      fc.constantFrom([0xee, 0xbe], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0]),
    ),
    { maxLength: 6 },
  )
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

const textOf = (name: Uint8Array): string => fromHostName(fromHostBytes(name));

describe('the text of a name', () => {
  test('leads back to the name, is well-formed, and has no slash or NUL the name hasn’t', () => {
    fc.assert(
      fc.property(bytes, (name) => {
        const text = textOf(name);
        expect(new Uint8Array(hostBytes(toHostName(text)))).toEqual(name);
        expect(decodeUtf8(encodeUtf8(text))).toBe(text);
        for (const [index, character] of ['/', '\0', '.'].entries()) {
          const code = [0x2f, 0, 0x2e][index]!;
          const count = name.filter((byte) => byte === code).length;
          expect(text.split(character)).toHaveLength(count + 1);
        }
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test('is the only one: any other text is refused, or another name', () => {
    const characters = fc.constantFrom('a', 'ä', '\uef80', '\uefbe', '\uefee', '\uefc3', '\uefa4');
    const texts = fc.array(characters, { maxLength: 6 }).map((parts) => parts.join(''));
    let refusedCount = 0;
    fc.assert(
      fc.property(texts, (text) => {
        try {
          expect(fromHostName(toHostName(text))).toBe(text);
        } catch (error) {
          if (!(error instanceof LinuxError)) throw error;
          expect(error).toBe(linuxerr.EILSEQ);
          refusedCount++;
        }
      }),
      { seed: SEED, numRuns: 1000 },
    );
    expect(refusedCount).toBeGreaterThan(10);
  });

  test.each([
    ['plain', 'plain'],
    ['ä€😀', 'ä€😀'],
    [Uint8Array.of(0x61, 0xff, 0x62), 'a\uefffb'],
    [Uint8Array.of(0xc3), '\uefc3'],
    ['\uef80', '\uefee\uefbe\uef80'],
    ['\uef7f\uf000', '\uef7f\uf000'],
  ] as const)('%j', (name, text) => {
    expect(fromHostName(name)).toBe(text);
    expect(toHostName(text)).toEqual(name);
  });

  test.each(['\uefc3\uefa4', '\uef41', '\uef80\uefc3\uefa4'])('%j is none of a name', (text) => {
    if (text === '\uef41') expect(toHostName(text)).toBe(text);
    else expect(() => toHostName(text)).toThrow('EILSEQ');
  });
});

describe('through a server', () => {
  const { tree, start } = useServedTree();
  const text = textOf(NOT_UTF8);

  test('a name that isn’t UTF-8 is listed, walked to, opened, renamed and removed', async () => {
    const host = bytePath(tree().root, NOT_UTF8);
    writeFileSync(host, 'hello');
    const client = await start();
    const dirFD = client.rootFD;
    const list = { dirFD, cookie: 0, maxBytes: 10_000, flags: 2 };
    const { entries } = await client.call('ListDir', list);
    expect(entries.map(({ name }) => name)).toEqual([text]);
    expect(entries[0]!.inode!.statx.ino).toBe(lstatSync(host, { bigint: true }).ino);
    expect(await client.read(await client.open(O_RDONLY, text))).toBe('hello');
    const rename = { oldDir: dirFD, newDir: dirFD };
    await client.call('RenameAt', { ...rename, oldName: text, newName: 'plain' });
    expect(readdirSync(tree().root)).toEqual(['plain']);
    await client.call('RenameAt', { ...rename, oldName: 'plain', newName: text });
    expect(existsSync(host)).toBe(true);
    await client.call('UnlinkAt', { dirFD, flags: 0, name: text });
    expect(readdirSync(tree().root)).toEqual([]);
  });

  test('one file is not reached by two names', async () => {
    writeFileSync(tree().in('ä'), '');
    const client = await start();
    await expect(client.walk('\uefc3\uefa4')).rejects.toBe(linuxerr.EILSEQ);
    await expect(client.create('\uefc3\uefa4')).rejects.toBe(linuxerr.EILSEQ);
    expect(readdirSync(tree().root)).toEqual(['ä']);
  });

  test('a client makes and removes such names, and finds such targets', async () => {
    symlinkSync(Buffer.from(NOT_UTF8), tree().in('link'));
    const client = await start();
    await client.mkdir(text);
    expect(readdirSync(tree().root, { encoding: 'buffer' })).toContainEqual(Buffer.from(NOT_UTF8));
    const { target } = await client.call('ReadLinkAt', { fd: await client.fd('link') });
    expect(target).toBe(text);
    await client.walk(target as string);
    const dirFD = client.rootFD;
    await client.call('UnlinkAt', { dirFD, flags: AT_REMOVEDIR, name: text });
    const made = await client.symlink('other', text);
    const { target: again } = await client.call('ReadLinkAt', { fd: made.controlFD });
    expect(again).toBe(text);
  });

  test('one whose text is too long for a name is told, and what there is of it', async () => {
    const long = Uint8Array.from({ length: 200 }, () => 0xff);
    mkdirSync(bytePath(tree().root, long));
    const client = await start();
    const list = { dirFD: client.rootFD, cookie: 0, maxBytes: 10_000, flags: 3 };
    const { entries } = await client.call('ListDir', list);
    expect(entries.map(({ name }) => name)).toEqual([textOf(long)]);
    const { statx } = await client.call('FStat', { fd: entries[0]!.inode!.controlFD });
    expect(statx.ino).toBe(entries[0]!.ino);
    await expect(client.walk(textOf(long))).rejects.toBe(linuxerr.ENAMETOOLONG);
  });
});
