// A 9P client that sends what a test says and nothing by itself.

import { errorFromErrno } from '../../src/abi/errno.ts';
import { WireWriter } from '../../src/lib/wire-buffer.ts';
import { decodeFrame, encodeT, type Frame, MSIZE_MAX } from '../../src/p9/frame.ts';
import {
  type MessageName,
  messageRow,
  MESSAGES,
  type RMessage,
  type TMessage,
} from '../../src/p9/messages.ts';
import { NOFID, NOTAG } from '../../src/p9/records.ts';
import type { CloseInfo, Receiver, Transport } from '../../src/transport/transport.ts';

export class P9Client implements Receiver {
  readonly transport: Transport;
  /** All that came, in order. */
  readonly replies: Frame[] = [];
  readonly closed: Promise<CloseInfo>;
  #onClosed: (info: CloseInfo) => void = () => undefined;
  readonly #awaited = new Map<number, (frame: Frame) => void>();
  #lastTag = 0;
  #lastFid = 100;
  msize = MSIZE_MAX;

  constructor(transport: Transport) {
    this.transport = transport;
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    transport.start(this);
  }

  onMessage(message: Uint8Array): void {
    const frame = decodeFrame(message, this.msize);
    this.replies.push(frame);
    const resolve = this.#awaited.get(frame.tag);
    this.#awaited.delete(frame.tag);
    resolve?.(frame);
  }

  onClose(info: CloseInfo): void {
    this.#onClosed(info);
  }

  newTag(): number {
    return ++this.#lastTag;
  }

  newFid(): number {
    return ++this.#lastFid;
  }

  send<Name extends MessageName>(name: Name, values: TMessage<Name>, tag = this.newTag()): number {
    this.transport.send(encodeT(new WireWriter(), { tag, msize: MSIZE_MAX }, name, values));
    return tag;
  }

  /** What comes with the tag next. Errors: how the link was closed. */
  async reply(tag: number): Promise<Frame> {
    const replied = new Promise<Frame>((resolve) => {
      this.#awaited.set(tag, resolve);
    });
    const broken = this.closed.then(({ code, reason }): never => {
      throw new Error(`closed with ${code}: ${reason}`);
    });
    return Promise.race([replied, broken]);
  }

  /** Errors: what the server answers, or how the link was closed. */
  async call<Name extends MessageName>(
    name: Name,
    values: TMessage<Name>,
    tag = this.newTag(),
  ): Promise<RMessage<Name>> {
    const replied = this.reply(tag);
    this.send(name, values, tag);
    return decodeReply(name, await replied);
  }

  async version(version = '9P2000.L', msize = MSIZE_MAX): Promise<RMessage<'version'>> {
    const answer = await this.call('version', { msize, version }, NOTAG);
    this.msize = answer.msize;
    return answer;
  }

  /** Returns the root's fid. */
  async attach(aname = '', nUname = 0): Promise<number> {
    const fid = this.newFid();
    await this.call('attach', { fid, afid: NOFID, uname: 'root', aname, nUname });
    return fid;
  }

  /** Returns the fid of what is there. */
  async walk(fid: number, ...names: string[]): Promise<number> {
    const newfid = this.newFid();
    const { qids } = await this.call('walk', { fid, newfid, names });
    if (qids.length < names.length) throw new Error(`only ${qids.length} names were walked`);
    return newfid;
  }

  /** The same, opened. */
  async open(dfid: number, flags: number, ...names: string[]): Promise<number> {
    const fid = await this.walk(dfid, ...names);
    await this.call('lopen', { fid, flags });
    return fid;
  }

  /** A new file that is open. */
  async create(dfid: number, name: string, flags: number, mode = 0o644): Promise<number> {
    const fid = await this.walk(dfid);
    await this.call('lcreate', { fid, name, flags, mode, gid: 0 });
    return fid;
  }

  async leave(): Promise<void> {
    this.transport.close();
    await this.closed;
  }
}

/** Errors: what it says. */
export function decodeReply<Name extends MessageName>(
  name: Name,
  { type, body }: Frame,
): RMessage<Name> {
  if (type === MESSAGES.lerror.type + 1) throw errorFromErrno(MESSAGES.lerror.R.decode(body).ecode);
  const { type: asked, R } = messageRow(name);
  if (type !== asked + 1) throw new Error(`a reply of type ${type} to T${name}`);
  return R.decode(body) as RMessage<Name>;
}
