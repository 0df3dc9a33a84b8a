// A client of 9P2000.L that does what is usual: one request after the other, and each directory is
// walked to, opened, read to its end and given up. Beside it a gofer's `find` is measured.

import { O_DIRECTORY, O_RDONLY } from '../../src/abi/fcntl.ts';
import { DT_DIR } from '../../src/abi/stat.ts';
import { WireWriter } from '../../src/lib/wire-buffer.ts';
import { decodeFrame, encodeT, HEADER_SIZE } from '../../src/p9/frame.ts';
import {
  type MessageName,
  messageOfType,
  MESSAGES,
  type RMessage,
  type TMessage,
} from '../../src/p9/messages.ts';
import { NOFID, NOTAG, QTDIR } from '../../src/p9/records.ts';
import type { Transport } from '../../src/transport/transport.ts';

/** What Linux asks for by default. */
const MSIZE = 131_072;
const ROOT_FID = 0;
const NOBODY = 0xffff_ffff;

/** Errors: of a name that isn't UTF-8. */
function textOf(name: string | Uint8Array): string {
  if (typeof name === 'string') return name;
  throw new Error('a name is not UTF-8');
}

interface Listed {
  readonly count: number;
  readonly directories: string[];
}

export class Naive9p {
  readonly #transport: Transport;
  readonly #writer = new WireWriter();
  #msize = MSIZE;
  #nextFid = ROOT_FID + 1;
  #receive: ((message: Uint8Array) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  private constructor(transport: Transport) {
    this.#transport = transport;
    transport.start({
      onMessage: (message) => this.#receive?.(message),
      onClose: ({ reason }) => this.#fail?.(new Error(reason)),
    });
  }

  static async attach(transport: Transport): Promise<Naive9p> {
    const client = new Naive9p(transport);
    const { msize } = await client.#call('version', { msize: MSIZE, version: '9P2000.L' }, NOTAG);
    client.#msize = msize;
    const attach = { fid: ROOT_FID, afid: NOFID, uname: 'root', aname: '/', nUname: NOBODY };
    await client.#call('attach', attach);
    return client;
  }

  /** Number of names below. `path` is from the root. */
  async find(path: readonly string[]): Promise<number> {
    const { count, directories } = await this.#list(path);
    let all = count;
    for (const name of directories) all += await this.find([...path, name]);
    return all;
  }

  async #list(names: readonly string[]): Promise<Listed> {
    const fid = this.#nextFid++;
    await this.#call('walk', { fid: ROOT_FID, newfid: fid, names: [...names] });
    await this.#call('lopen', { fid, flags: O_RDONLY | O_DIRECTORY });
    const directories: string[] = [];
    let count = 0;
    for (let offset = 0n; ;) {
      const request = { fid, offset, count: this.#msize - HEADER_SIZE - 4 };
      const { entries } = await this.#call('readdir', request);
      const last = entries.at(-1);
      if (last === undefined) break;
      ({ offset } = last);
      for (const { name, type, qid } of entries) {
        if (name === '.' || name === '..') continue;
        count++;
        if (type === DT_DIR || (qid.type & QTDIR) !== 0) directories.push(textOf(name));
      }
    }
    await this.#call('clunk', { fid });
    return { count, directories };
  }

  /** Waits for the answer. */
  async #call<Name extends MessageName>(
    name: Name,
    values: TMessage<Name>,
    tag = 0,
  ): Promise<RMessage<Name>> {
    const answer = new Promise<Uint8Array>((resolve, reject) => {
      this.#receive = resolve;
      this.#fail = reject;
    });
    this.#transport.send(encodeT(this.#writer, { tag, msize: this.#msize }, name, values));
    const { type, body } = decodeFrame(await answer, this.#msize);
    const answered = messageOfType(type);
    if (answered?.name === 'lerror') {
      const { ecode } = MESSAGES.lerror.R.decode(body);
      throw new Error(`${name}: errno ${ecode}`);
    }
    if (answered?.name !== name) throw new Error(`${name} was answered by message ${type}`);
    return MESSAGES[name].R.decode(body) as RMessage<Name>;
  }

  close(): void {
    this.#transport.close();
  }
}
