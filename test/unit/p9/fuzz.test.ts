// Whatever clients send, a server of 9P answers or ends the connection: nothing unexpected happens,
// and nothing is left of it.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WireWriter } from '../../../src/lib/wire-buffer.ts';
import { encodeT, MSIZE_MAX } from '../../../src/p9/frame.ts';
import { type MessageName, messageRow, MESSAGES } from '../../../src/p9/messages.ts';
import { valuesOf } from '../../wire/any-values.ts';
import { damage, randomFrom } from '../../wire/message-checks.ts';
import { settle } from '../lisafs/raw-client.ts';
import { attach, useServer } from './support.ts';

const serve = useServer();
const ROUNDS = 150;
const FRAMES = 40;
const FIDS = [1, 2, 3, 101];
const NAMES = ['a', 'b', 'c', '.', '..', ''];

const requests = (Object.keys(MESSAGES) as MessageName[]).filter(
  (name) => messageRow(name).T !== undefined && name !== 'version',
);

/** Values that mean something now and then: few fids, few names, small numbers. */
function likely(values: unknown, random: (limit: number) => number): unknown {
  const entries = Object.entries(values as Record<string, unknown>).map(([key, value]) => {
    // The tree in memory makes files as large as they are said to be.
    const isSize = /^(?:offset|size|length)$/.test(key);
    if (!isSize && random(8) === 0) return [key, value];
    if (/fid$/.test(key)) return [key, FIDS[random(FIDS.length)]];
    if (key === 'names') return [key, NAMES.slice(random(3), 3 + random(2))];
    if (/^(?:name|oldname|newname)$/.test(key)) return [key, NAMES[random(NAMES.length)]];
    if (/^(?:flags|mode|valid|length|size|count|attrSize)$/.test(key)) return [key, random(1000)];
    if (key === 'offset') return [key, typeof value === 'bigint' ? BigInt(random(9)) : random(9)];
    if (key === 'type') return [key, random(3)];
    return [key, value];
  });
  return Object.fromEntries(entries);
}

interface Round {
  readonly seed: number;
  readonly version: string;
}

async function run({ seed, version }: Round): Promise<{ replied: number; refused: boolean }> {
  const random = randomFrom(seed);
  const served = await attach(serve({ fidsMax: 4, xattrBytesMax: 2000 }), version);
  const { client } = served;
  for (let count = 0; count < FRAMES && client.transport.isOpen; count++) {
    const name = requests[random(requests.length)]!;
    const [sample] = fc.sample(valuesOf(messageRow(name).T!), { seed: random(1e9), numRuns: 1 });
    const tag = 100 + count;
    const values = likely(sample, random);
    const frame = encodeT(new WireWriter(), { tag, msize: MSIZE_MAX }, name, values as never);
    client.transport.send(random(20) === 0 ? damage(frame, random) : frame);
    if (random(4) === 0) await settle();
  }
  await settle();
  const refused = !client.transport.isOpen;
  // Everybody has been answered, but those who wait for a lock and those whose waiting was ended.
  const replied = client.replies.length;
  if (!refused) await client.leave();
  await settle();
  expect(served.errors).toEqual([]);
  return { replied, refused };
}

test.each(['9P2000.L', '9P2000.L.Google.13'])(
  '%s: frames as they may come',
  async (version) => {
    let [replied, refused] = [0, 0];
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const round = await run({ seed, version });
      replied += round.replied;
      if (round.refused) refused++;
    }
    expect(replied).toBeGreaterThan(ROUNDS * 10);
    expect(refused).toBeGreaterThan(ROUNDS / 10);
    expect(refused).toBeLessThan(ROUNDS);
  },
  120_000,
);
