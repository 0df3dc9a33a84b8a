// Fuzzed frames for the decoders of lisafs and 9P. `npm run fuzz:frames` has millions of them, with
// any seed; here are some, with the same seed always.

import { expect, test } from 'vitest';
import * as lisafs from '../../src/lisafs/frame.ts';
import {
  type MessageName as LisafsName,
  MESSAGES as LISAFS_MESSAGES,
  messageNameOf,
  messageRow as lisafsRow,
} from '../../src/lisafs/messages.ts';
import { type FieldTable, type StructValues } from '../../src/lib/wire.ts';
import { WireWriter } from '../../src/lib/wire-buffer.ts';
import * as p9 from '../../src/p9/frame.ts';
import {
  type MessageName as P9Name,
  messageOfType,
  messageRow as p9Row,
  MESSAGES as P9_MESSAGES,
} from '../../src/p9/messages.ts';
import { toHex } from '../wire/any-values.ts';
import { type Layout, randomFrom, samplesOf } from '../wire/message-checks.ts';
import { type FrameCodec, fuzzedFrame, seedlingOf, survive } from './frames.ts';

/** Of each decoder. */
const FRAMES = Number(process.env['BURROW_FUZZ_FRAMES'] ?? 20_000);
const SEED = Number(process.env['BURROW_FUZZ_SEED'] ?? 5);
const TIMEOUT_MS = 24 * 3600 * 1000;
/** Of each message, to begin with. */
const SAMPLES = 30;
/** A log's line is made of one frame in so many: it takes longer than all else. */
const PRINTED_EVERY = 16;

const lengthOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset);

interface LisafsLayout extends Layout {
  readonly message: LisafsName;
  readonly kind: 'request' | 'response';
}

/** With one of its headers; a kind of message, as only requests come to a server. */
function lisafsCodec(headerVersion: 1 | 2, kind: 'request' | 'response'): FrameCodec {
  const tag = headerVersion === 1 ? 0 : 7;
  const options = { headerVersion, tag, payloadMax: lisafs.PAYLOAD_SIZE_MAX };
  const headerSize = headerVersion === 1 ? 8 : 16;
  const names = Object.keys(LISAFS_MESSAGES) as LisafsName[];
  const layouts = names.flatMap((message): LisafsLayout[] => {
    const table = lisafsRow(message)[kind];
    return table === undefined ? [] : [{ name: `${message} ${kind}`, message, kind, table }];
  });
  return {
    name: `lisafs, ${kind}s with header ${headerVersion}`,
    headerSize,
    layouts,
    frameOf({ table, name }, values) {
      const { mid } = lisafsRow(layouts.find((layout) => layout.name === name)!.message);
      return lisafs.encodePayload(options, { mid, payload: table.encode(values) });
    },
    settle(frame) {
      lengthOf(frame).setUint32(0, frame.length - headerSize, true);
    },
    decode(frame) {
      const { mid, payload } = lisafs.decodeFrame(frame, options);
      const message = messageNameOf(mid);
      const table = message === undefined ? undefined : lisafsRow(message)[kind];
      return table === undefined ? undefined : { table, payload };
    },
    print(frame) {
      lisafs.printFrame(lisafs.decodeFrame(frame, options), kind);
    },
  };
}

interface P9Layout extends Layout {
  readonly message: P9Name;
  readonly kind: 'T' | 'R';
}

function p9Codec(): FrameCodec {
  const options = { tag: 7, msize: p9.MSIZE_MAX };
  const names = Object.keys(P9_MESSAGES) as P9Name[];
  const layouts = names.flatMap((message) =>
    (['T', 'R'] as const).flatMap((kind): P9Layout[] => {
      const table = p9Row(message)[kind];
      return table === undefined ? [] : [{ name: `${kind}${message}`, message, kind, table }];
    }),
  );
  return {
    name: '9P',
    headerSize: p9.HEADER_SIZE,
    layouts,
    frameOf({ name }, values: StructValues<FieldTable>) {
      const { message, kind } = layouts.find((layout) => layout.name === name)!;
      const encode = kind === 'T' ? p9.encodeT : p9.encodeR;
      return encode(new WireWriter(), options, message, values as never).slice();
    },
    settle(frame) {
      lengthOf(frame).setUint32(0, frame.length, true);
    },
    decode(frame) {
      const { type, body } = p9.decodeFrame(frame, p9.MSIZE_MAX);
      const message = messageOfType(type);
      if (message === undefined) return undefined;
      return { table: p9Row(message.name)[message.kind]!, payload: body };
    },
    print(frame) {
      p9.printFrame(p9.decodeFrame(frame, p9.MSIZE_MAX));
    },
  };
}

interface Counts {
  refused: number;
  readonly decoded: Map<object, number>;
}

/** Errors: Error with the frame, by which it can be tried again. */
function fuzz(codec: FrameCodec, frameCount: number): Counts {
  const random = randomFrom(SEED);
  const seedlings = codec.layouts.flatMap((layout) =>
    samplesOf(layout, SAMPLES).map((values) => seedlingOf(codec, layout, values)),
  );
  const counts: Counts = { refused: 0, decoded: new Map() };
  for (let count = 0; count < frameCount; count++) {
    const frame = fuzzedFrame(codec, seedlings, random);
    try {
      const message = survive(codec, frame);
      if (message === undefined) counts.refused++;
      else {
        counts.decoded.set(message.table, (counts.decoded.get(message.table) ?? 0) + 1);
        if (count % PRINTED_EVERY === 0) codec.print(frame);
      }
    } catch (error) {
      const where = `${codec.name}, seed ${SEED}, frame ${count}: ${toHex(frame)}`;
      throw new Error(where, { cause: error });
    }
  }
  return counts;
}

const lisafsCodecs = ([1, 2] as const).flatMap((version) =>
  (['request', 'response'] as const).map((kind) => lisafsCodec(version, kind)),
);

test.each([
  ['lisafs', lisafsCodecs],
  ['9P', [p9Codec()]],
] as const)(
  `no fuzzed frame of %s does more than be refused`,
  (name, codecs) => {
    const startMs = performance.now();
    let [decoded, refused] = [0, 0];
    for (const codec of codecs) {
      const counts = fuzz(codec, Math.ceil(FRAMES / codecs.length));
      // None is so strict, or so lax, that the others are not looked at.
      const missed = codec.layouts.filter(({ table }) => !counts.decoded.has(table));
      expect(missed.map((layout) => layout.name)).toEqual([]);
      refused += counts.refused;
      for (const count of counts.decoded.values()) decoded += count;
    }
    expect(decoded).toBeGreaterThan(FRAMES / 10);
    expect(refused).toBeGreaterThan(FRAMES / 10);
    if (process.env['BURROW_FUZZ_FRAMES'] === undefined) return;
    const seconds = (performance.now() - startMs) / 1000;
    const rate = Math.round((decoded + refused) / seconds);
    process.stdout.write(
      `${name}, seed ${SEED}: ${decoded} decoded, ${refused} refused, ${rate} a second\n`,
    );
  },
  TIMEOUT_MS,
);
