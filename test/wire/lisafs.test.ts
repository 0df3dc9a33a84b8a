// lisafs: every message there and back, cut short and damaged; sizes; frames.

import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../src/abi/errno.ts';
import { InvariantError } from '../../src/lib/assert.ts';
import { WireError, WireWriter } from '../../src/lib/wire-buffer.ts';
import { CLIENT_FD_MIN, INVALID_FD, NO_ID } from '../../src/lisafs/records.ts';
import {
  decodeFrame,
  encodeError,
  encodePayload,
  encodeRequest,
  encodeResponse,
  type FrameOptions,
  isTagBefore,
  nextTag,
  PAYLOAD_SIZE_MAX,
  payloadMaxFor,
  printFrame,
  PROVISIONAL_PAYLOAD_SIZE_MAX,
  PUSHED,
} from '../../src/lisafs/frame.ts';
import {
  type MessageName,
  messageNameOf,
  messageRow,
  MESSAGES,
} from '../../src/lisafs/messages.ts';
import { fromHex, toHex } from './any-values.ts';
import { checkPrinting, checkRoundTrip, checkTruncation, type Layout } from './message-checks.ts';

const plain: FrameOptions = { headerVersion: 1, tag: 0, payloadMax: PAYLOAD_SIZE_MAX };
const tagged: FrameOptions = { headerVersion: 2, tag: 7, payloadMax: PAYLOAD_SIZE_MAX };

const names = Object.keys(MESSAGES) as MessageName[];

interface LisafsLayout extends Layout {
  readonly message: MessageName;
  readonly kind: 'request' | 'response';
}

const layouts: LisafsLayout[] = names.flatMap((message) =>
  (['request', 'response'] as const).flatMap((kind) => {
    const table = messageRow(message)[kind];
    return table === undefined ? [] : [{ name: `${message} ${kind}`, message, kind, table }];
  }),
);

describe.each(layouts)('$name', (layout) => {
  test('is decoded as it was encoded', () => {
    checkRoundTrip(layout);
  });

  test('is refused when it ends early or goes on', () => {
    checkTruncation(layout);
  });

  test('is printed for logs', () => {
    checkPrinting(layout);
  });
});

test('the standard has MIDs 0 to 33, and our own begin at 256', () => {
  const mids = names.map((name) => MESSAGES[name].mid);
  const standard = mids.filter((mid) => mid < 256);
  expect(standard).toEqual(Array.from({ length: 34 }, (_, mid) => mid));
  expect(mids.slice(standard.length).every((mid) => mid >= 256)).toBe(true);
  expect(names.map((name) => messageNameOf(MESSAGES[name].mid))).toEqual(names);
  expect(messageNameOf(34)).toBeUndefined();
});

test('a server that only reads refuses what writes, and nothing else', () => {
  const refused = names.filter((name) => MESSAGES[name].onReadOnly === 'refused');
  expect(refused.join(' ')).toBe(
    'SetStat OpenCreateAt PWrite MkdirAt MknodAt SymlinkAt LinkAt FAllocate UnlinkAt RenameAt ' +
      'FSetXattr FRemoveXattr BindAt RenameAt2 CreateWrite MkdirAs',
  );
  const byFlags = names.filter((name) => MESSAGES[name].onReadOnly.startsWith('refused unless'));
  expect(byFlags).toEqual(['OpenAt', 'OpenReadAt', 'WalkOpenRead']);
});

test('what changes anything has a guarantee, and is not simply sent again', () => {
  for (const name of names) {
    const { guarantee, isRetrySafe, onReadOnly } = messageRow(name);
    if (onReadOnly !== 'refused') continue;
    expect([name, ['write', 'global'].includes(guarantee), isRetrySafe]).toEqual([
      name,
      true,
      false,
    ]);
  }
});

test('fixed messages have their sizes', () => {
  expect(MESSAGES.FStat.response.sizeMin).toBe(144);
  expect(MESSAGES.MkdirAt.response.sizeMin).toBe(152);
  expect(MESSAGES.MkdirAt.request.sizeMin).toBe(24 + 2);
  expect(MESSAGES.SetStat.request.sizeMin).toBe(64);
  expect(MESSAGES.FStatFS.response.sizeMin).toBe(64);
  // What a client leaves room for: chunks of the message's size less 20, and less 8.
  expect(MESSAGES.PWrite.request.sizeMin).toBe(20);
  expect(MESSAGES.PRead.response.sizeMin).toBe(8);
  expect(MESSAGES.SetLock.request.sizeMin).toBe(40);
  expect(MESSAGES.GetLock.request.sizeMin).toBe(40);
});

test('limits and special numbers are the protocol’s', () => {
  expect(PAYLOAD_SIZE_MAX).toBe(2_093_056);
  expect(PROVISIONAL_PAYLOAD_SIZE_MAX).toBe(1_048_576);
  expect([payloadMaxFor(2_093_056), payloadMaxFor(4)]).toEqual([2_093_040, 0]);
  expect(NO_ID).toBe(0xffffffff);
  expect(INVALID_FD).toBe(0);
  expect(CLIENT_FD_MIN).toBe(2 ** 52);
});

describe('frames', () => {
  const writer = new WireWriter();

  test('the first header has eight bytes', () => {
    const bytes = encodeRequest(writer, plain, 'FStat', { fd: 3 });
    expect(toHex(bytes)).toBe('08 00 00 00 03 00 00 00 03 00 00 00 00 00 00 00');
    expect(decodeFrame(bytes, plain)).toMatchObject({ mid: 3, tag: 0 });
  });

  test('the second header has sixteen bytes, with the tag', () => {
    const bytes = encodeRequest(writer, { ...tagged, tag: 0xfedcba98 }, 'Ping', {});
    expect(toHex(bytes)).toBe('00 00 00 00 02 01 00 00 98 ba dc fe 00 00 00 00');
    expect(decodeFrame(bytes, tagged)).toMatchObject({ mid: 258, tag: 0xfedcba98 });
  });

  test('a failure is answered with MID 0', () => {
    const bytes = encodeError(writer, tagged, linuxerr.ENOENT);
    expect(toHex(bytes)).toBe('04 00 00 00 00 00 00 00 07 00 00 00 00 00 00 00 02 00 00 00');
  });

  test('a reply that was kept makes the same frame again', () => {
    const bytes = encodeResponse(writer, tagged, 'PWrite', { count: 5 }).slice();
    const { mid, payload } = decodeFrame(bytes, tagged);
    expect(toHex(encodePayload(tagged, { mid, payload }))).toBe(toHex(bytes));
    const first = encodeResponse(writer, plain, 'PWrite', { count: 5 }).slice();
    expect(toHex(encodePayload(plain, { mid, payload }, writer))).toBe(toHex(first));
  });

  test('a header that lacks bytes, or whose length is not the payload’s, is refused', () => {
    for (const version of [plain, tagged]) {
      const bytes = encodeResponse(writer, version, 'Error', { errno: 1 }).slice();
      for (let size = 0; size < bytes.length; size++) {
        expect(() => decodeFrame(bytes.subarray(0, size), version)).toThrow(WireError);
      }
      expect(() => decodeFrame(Uint8Array.of(...bytes, 0), version)).toThrow(WireError);
    }
  });

  test('a payload that is too large is neither sent nor taken', () => {
    const data = new Uint8Array(PAYLOAD_SIZE_MAX - 20);
    const values = { offset: 0, fd: 1, data };
    const frame = encodeRequest(writer, tagged, 'PWrite', values);
    expect(frame.length).toBe(16 + PAYLOAD_SIZE_MAX);
    const small = { ...tagged, payloadMax: PAYLOAD_SIZE_MAX - 1 };
    expect(() => encodeRequest(writer, small, 'PWrite', values)).toThrow(linuxerr.EIO);
    expect(() => decodeFrame(frame, small)).toThrow(WireError);
  });

  test('what is pushed has tag 0, and what is asked has another', () => {
    expect(PUSHED).toBe(0);
    const push = { ...tagged, tag: PUSHED };
    const drain = encodeRequest(writer, push, 'Drain', { graceMs: 500 });
    expect(toHex(drain)).toBe('04 00 00 00 03 02 00 00 00 00 00 00 00 00 00 00 f4 01 00 00');
    expect(() => encodeRequest(writer, tagged, 'Drain', { graceMs: 500 })).toThrow(InvariantError);
    expect(() => encodeRequest(writer, push, 'Ping', {})).toThrow(InvariantError);
    expect(() => encodeRequest(writer, plain, 'Overflow', {})).toThrow(InvariantError);
    expect(() => encodeRequest(writer, { ...plain, tag: 1 }, 'Ping', {})).toThrow(InvariantError);
  });

  test('tags pass over 0, and their order goes on', () => {
    expect([nextTag(1), nextTag(0xfffffffe), nextTag(0xffffffff)]).toEqual([2, 0xffffffff, 1]);
    expect(isTagBefore(1, 2)).toBe(true);
    expect(isTagBefore(2, 1)).toBe(false);
    expect(isTagBefore(2, 2)).toBe(false);
    expect(isTagBefore(0xfffffff0, 5)).toBe(true);
    expect(isTagBefore(5, 0xfffffff0)).toBe(false);
  });

  test('a frame is printed with its tag and name', () => {
    const print = (bytes: Uint8Array, kind: 'request' | 'response'): string =>
      printFrame(decodeFrame(bytes, tagged), kind);
    const walk = encodeRequest(writer, tagged, 'Walk', { dirFD: 1, path: ['usr', 'bin'] });
    expect(print(walk, 'request')).toBe('#7 Walk {dirFD: 1, path: ["usr", "bin"]}');
    expect(print(walk, 'response')).toMatch(/^#7 WalkResp <20 bytes>: .+ at byte \d+ of 20$/);
    const read = encodeResponse(writer, tagged, 'PRead', { data: new Uint8Array(5) });
    expect(print(read, 'response')).toBe('#7 PReadResp {data: <5 bytes>}');
    const error = encodeError(writer, tagged, linuxerr.EIO);
    expect(print(error, 'response')).toBe('#7 Error {errno: 5}');
    expect(print(error, 'request')).toBe('#7 Error, which is no request <4 bytes>');
    const unknown = { mid: 99, tag: 1, payload: fromHex('01 02') };
    expect(printFrame(unknown, 'request')).toBe('#1 message 99 <2 bytes>');
  });
});
