// Sequences that are made of the messages' tables: each field that is a name, an FD or a number,
// with each value that it must not have.

import { expect } from 'vitest';
import { O_RDONLY, O_RDWR } from '../../src/abi/fcntl.ts';
import { NAME_MAX, PATH_MAX, XATTR_NAME_MAX } from '../../src/abi/limits.ts';
import type { IntegerField } from '../../src/lib/wire-fields.ts';
import { encodeUtf8 } from '../../src/lib/text.ts';
import { type MessageName, messageRow } from '../../src/lisafs/messages.ts';
import { CLIENT_FD_MIN } from '../../src/lisafs/records.ts';
import type { Arena } from './arena.ts';
import type { Outcome } from './answers.ts';
import type { Attacker } from './attacker.ts';
import {
  encodeRequestOf,
  FD_FIELDS,
  type MessageField,
  NAME_FIELDS,
  NUMBER_FIELDS,
  replaceBytes,
  REQUESTS,
  type SomeFds,
  tableOf,
  validRequest,
  withField,
  XATTR_NAME_FIELDS,
} from './request-values.ts';
import type { Sequence } from './sequence.ts';

/** Never served: what they are about goes beside the message. */
const UNSERVED = REQUESTS.filter((name) => messageRow(name).needsHostFd === true);

/** The attacker's, in the folder as it is in the beginning. */
export async function someFds(attacker: Attacker, root: number): Promise<SomeFds> {
  const [directory, file] = [await attacker.walk(root, 'dir'), await attacker.walk(root, 'file')];
  const openFile = await attacker.open(file, O_RDWR);
  return { directory, file, openFile, openDirectory: await attacker.open(directory, O_RDONLY) };
}

/** Reclaim tells of each FD on its own. */
function saidOf(message: MessageName, { said, values }: Outcome): string {
  if (message !== 'Reclaim' || values === undefined) return said;
  const [first] = (values as { reclaimed: { errno: number }[] }).reclaimed;
  return `errno ${first?.errno ?? 'missing'}`;
}

interface Wrong {
  readonly what: string;
  /** Undefined: `bytes` are put in the place of PLACEHOLDER. */
  readonly value?: unknown;
  readonly bytes?: Uint8Array;
  readonly said: readonly string[];
}

const PLACEHOLDER = '!here';

/** Sends the request, and says how it ended. The folder is as it was. */
async function send(arena: Arena, field: MessageField, wrong: Wrong): Promise<string> {
  const { attacker, root } = await arena.mounted();
  const before = arena.lookInside();
  const some = await someFds(attacker, root);
  const { message, key } = field;
  const value = wrong.bytes === undefined ? wrong.value : PLACEHOLDER;
  const valid = validRequest(message, some);
  const payload =
    message === 'Reclaim'
      ? encodeRequestOf(message, { lost: [{ ...lostOf(valid), path: [value] }] })
      : encodeRequestOf(message, setName(valid, key, value));
  const sent =
    wrong.bytes === undefined
      ? payload
      : replaceBytes(payload, encodeUtf8(PLACEHOLDER), wrong.bytes);
  const said = saidOf(message, await attacker.callPayload(message, sent));
  expect(arena.lookInside()).toEqual(before);
  return said;
}

function lostOf(values: Record<string, unknown>): Record<string, unknown> {
  return (values['lost'] as Record<string, unknown>[])[0]!;
}

/** In a path it comes last: an empty name is WalkStat's start if it is the first. */
function setName(values: Record<string, unknown>, key: string, value: unknown) {
  return Array.isArray(values[key])
    ? { ...values, [key]: ['deep', value] }
    : { ...values, [key]: value };
}

const EINVAL = ['EINVAL', 'errno 22'];
const TOO_LONG = ['ENAMETOOLONG', 'errno 36'];

const BAD_NAMES: readonly Wrong[] = [
  ...['', '.', '..', '/', '../outside', '/etc', 'a/b', 'dir/../../outside', './x', 'x/'].map(
    (value): Wrong => ({ what: JSON.stringify(value), value, said: EINVAL }),
  ),
  { what: 'a NUL', value: '\0', said: EINVAL },
  { what: 'a NUL in it', value: 'file\0.txt', said: EINVAL },
  { what: 'a NUL after ..', value: '..\0', said: EINVAL },
  { what: '256 bytes', value: 'x'.repeat(NAME_MAX + 1), said: TOO_LONG },
  { what: '256 bytes of two each', value: 'é'.repeat(128), said: TOO_LONG },
  { what: '65535 bytes', value: 'x'.repeat(0xffff), said: TOO_LONG },
  { what: 'bytes that are no UTF-8', bytes: Uint8Array.of(1, 2, 0xff, 0xfe, 3), said: ['EIO'] },
  // C0 AF and E0 80 AF: a slash, to a decoder that isn't strict.
  { what: 'a slash of two bytes', bytes: Uint8Array.of(46, 46, 0xc0, 0xaf, 46), said: ['EIO'] },
  { what: 'a slash of three', bytes: Uint8Array.of(46, 46, 0xe0, 0x80, 0xaf), said: ['EIO'] },
];

const BAD_XATTRS: readonly Wrong[] = [
  ...['', 'x', 'user', 'USER.x', 'trusted.x', 'security.capability', 'system.posix_acl_access'].map(
    (value): Wrong => ({ what: JSON.stringify(value), value, said: ['EOPNOTSUPP'] }),
  ),
  { what: 'a NUL', value: 'user.\0', said: ['EINVAL'] },
  { what: '256 bytes', value: `user.${'x'.repeat(XATTR_NAME_MAX - 4)}`, said: ['ERANGE'] },
  { what: 'no UTF-8', bytes: Uint8Array.of(1, 2, 0xff, 0xfe, 3), said: ['EIO'] },
];

const BAD_TARGETS: readonly Wrong[] = [
  { what: 'empty', value: '', said: ['ENOENT'] },
  { what: 'a NUL', value: 'a\0b', said: ['EINVAL'] },
  { what: 'as long as PATH_MAX', value: 'x'.repeat(PATH_MAX), said: ['ENAMETOOLONG'] },
];

function named(fields: readonly MessageField[], wrongs: readonly Wrong[]): Sequence[] {
  return fields.flatMap(({ message, key }) =>
    wrongs.map(({ said, ...wrong }): Sequence => {
      const isUnserved = UNSERVED.includes(message);
      const wanted = isUnserved ? ['EOPNOTSUPP'] : said;
      return {
        name: `${message}: ${key} is ${wrong.what}`,
        holds: `${wanted[0]!}, and the folder is as it was`,
        async run(arena) {
          expect(wanted).toContain(await send(arena, { message, key }, { ...wrong, said }));
        },
      };
    }),
  );
}

/** Reclaim's are in its records. */
const RECLAIM_PATH: MessageField = { message: 'Reclaim', key: 'path' };

export const NAME_SEQUENCES: readonly Sequence[] = [
  ...named([...NAME_FIELDS, RECLAIM_PATH], BAD_NAMES),
  ...named(XATTR_NAME_FIELDS, BAD_XATTRS),
  ...named([{ message: 'SymlinkAt', key: 'target' }], BAD_TARGETS),
];

interface WrongFd {
  readonly what: string;
  readonly said: string;
  fd(arena: Arena, attacker: Attacker, some: SomeFds): number | Promise<number>;
}

const WRONG_FDS: readonly WrongFd[] = [
  { what: 'none', said: 'EBADF', fd: () => 0 },
  { what: 'one that was never given', said: 'EBADF', fd: () => 100_000 },
  { what: 'the largest number', said: 'EBADF', fd: () => Number.MAX_SAFE_INTEGER },
  { what: 'a client’s that it never made', said: 'EBADF', fd: () => CLIENT_FD_MIN + 7 },
  {
    what: 'one that it has closed',
    said: 'EBADF',
    fd: async (_arena, attacker, { file, openFile }) => {
      await attacker.must('Close', { fds: [openFile, file] });
      return openFile;
    },
  },
  {
    what: 'another client’s',
    said: 'EBADF',
    fd: async (arena) => {
      const { attacker, root } = await arena.mounted();
      let fd = 0;
      while (fd < 40) fd = await attacker.walk(root, 'file');
      return fd;
    },
  },
];

/** Any FD at all will do, or one is passed over if it isn't there. */
const TAKES_ANY: readonly MessageName[] = ['Close', 'FStat'];

function ofWrongKind({ message, key }: MessageField): Sequence {
  const isUnserved = UNSERVED.includes(message);
  return {
    name: `${message}: ${key} is an FD of the wrong kind`,
    holds: `${isUnserved ? 'EOPNOTSUPP' : 'EINVAL'}, and the folder is as it was`,
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      const before = arena.lookInside();
      const some = await someFds(attacker, root);
      const values = validRequest(message, some);
      const right = Array.isArray(values[key]) ? (values[key] as number[])[0] : values[key];
      const isOpen = right === some.openFile || right === some.openDirectory;
      const wrong = withField(values, key, isOpen ? some.file : some.openFile);
      const { said } = await attacker.callPayload(message, encodeRequestOf(message, wrong));
      expect(said).toBe(isUnserved ? 'EOPNOTSUPP' : 'EINVAL');
      expect(arena.lookInside()).toEqual(before);
    },
  };
}

export const FD_SEQUENCES: readonly Sequence[] = [
  ...FD_FIELDS.flatMap(({ message, key }) =>
    WRONG_FDS.map(({ what, said, fd }): Sequence => {
      const isUnserved = UNSERVED.includes(message);
      const wanted = isUnserved ? 'EOPNOTSUPP' : message === 'Close' ? 'OK' : said;
      return {
        name: `${message}: ${key} is ${what}`,
        holds: `${wanted}, and the folder is as it was`,
        async run(arena) {
          const { attacker, root } = await arena.mounted();
          const before = arena.lookInside();
          const some = await someFds(attacker, root);
          const values = validRequest(message, some);
          const wrong = withField(values, key, await fd(arena, attacker, some));
          const sent = encodeRequestOf(message, wrong);
          expect((await attacker.callPayload(message, sent)).said).toBe(wanted);
          expect(arena.lookInside()).toEqual(before);
        },
      };
    }),
  ),
  ...FD_FIELDS.filter(({ message }) => !TAKES_ANY.includes(message)).map(ofWrongKind),
];

/** What a number of any size may be: all it has room for, and what others take for a sign. */
function extremesOf({ min, max }: IntegerField): number[] {
  const around = [min, min + 1, -1, 0, 1, 2 ** 31, 2 ** 32, max - 1, max];
  return [...new Set(around.filter((value) => value >= min && value <= max))];
}

/** Of a file that is there: a length that a filesystem might really set aside is none to try. */
const BESIDE: Readonly<Record<string, Record<string, unknown>>> = {
  FAllocate: { length: Number.MAX_SAFE_INTEGER, offset: 1 },
};

/** What a server must never say: that it has a bug. A frame that is right doesn't end a link. */
const NEVER = /^(?:EREMOTEIO|closed|EIO)/;

export const NUMBER_SEQUENCES: readonly Sequence[] = NUMBER_FIELDS.map(
  ({ message, key }): Sequence => ({
    name: `${message}: ${key} has each extreme`,
    holds: 'an answer that is no bug of the server’s, and none of another file of the folder',
    async run(arena) {
      const { attacker, root } = await arena.mounted();
      const some = await someFds(attacker, root);
      const field = tableOf(message)[key] as IntegerField;
      for (const value of extremesOf(field)) {
        const values = { ...validRequest(message, some), ...BESIDE[message], [key]: value };
        // A lock that is waited for is answered later.
        const { said } = await attacker.callPayload(message, encodeRequestOf(message, values));
        expect(said, `${key} ${value}`).not.toMatch(NEVER);
      }
    },
  }),
);

/** Each on a connection of its own: nobody else's is read-only. */
export const READ_ONLY_SEQUENCES: readonly Sequence[] = REQUESTS.filter(
  (message) => messageRow(message).onReadOnly === 'refused' && !UNSERVED.includes(message),
).map((message): Sequence => ({
  name: `${message} on a read-only server`,
  holds: 'EROFS, whatever else is wrong with it, and the folder is as it was',
  server: 'readOnly',
  async run(arena) {
    const { attacker, root } = await arena.mounted();
    const before = arena.lookInside();
    const none = { directory: root, file: root, openFile: root, openDirectory: root };
    const payload = encodeRequestOf(message, validRequest(message, none));
    for (const sent of [payload, payload.subarray(1), new Uint8Array(0)]) {
      expect((await attacker.callPayload(message, sent)).said).toBe('EROFS');
    }
    expect(arena.lookInside()).toEqual(before);
  },
}));
