// P9Attacker: a client of 9P that sends whatever it is told to, well-formed or not.

import { WireWriter } from '../../src/lib/wire-buffer.ts';
import { decodeFrame, encodeT, type Frame, HEADER_SIZE, MSIZE_MAX } from '../../src/p9/frame.ts';
import {
  type MessageName,
  messageRow,
  MESSAGES,
  type RMessage,
  type TMessage,
} from '../../src/p9/messages.ts';
import { NO_ID, NOFID, NOTAG } from '../../src/p9/records.ts';
import { versionText } from '../../src/p9/version.ts';
import { Answers, failed, mustHave, type Outcome } from './answers.ts';
import { type Ending, openWire, type P9Target, type Way, type Wire } from './p9-wire.ts';

/** The first fid it attaches with; others follow. */
const ROOT_FID = 1;

export class P9Attacker {
  readonly wire: Wire;
  readonly #answers: Answers<Frame, Ending>;
  #lastTag = 0;
  #lastFid = ROOT_FID;

  private constructor(wire: Wire, answers: Answers<Frame, Ending>) {
    this.wire = wire;
    this.#answers = answers;
  }

  /** Errors: Error if the server doesn't let it in. */
  static async connect(way: Way, target: P9Target): Promise<P9Attacker> {
    const answers = new Answers<Frame, Ending>((bytes) => decodeFrame(bytes, MSIZE_MAX));
    const wire = await openWire(way, target, (bytes) => {
      answers.take(bytes);
    });
    return new P9Attacker(wire, answers);
  }

  get hasSeenSecret(): boolean {
    return this.#answers.hasSeenSecret;
  }

  /** What nobody waits for. */
  get unasked(): Frame[] {
    return this.#answers.unasked;
  }

  get isOpen(): boolean {
    return this.wire.isOpen;
  }

  get closed(): Promise<Ending> {
    return this.wire.ended;
  }

  nextTag(): number {
    this.#lastTag = (this.#lastTag + 1) % NOTAG;
    return this.#lastTag;
  }

  newFid(): number {
    return ++this.#lastFid;
  }

  /** Bytes, whatever they are. */
  send(bytes: Uint8Array): void {
    this.wire.send(bytes);
  }

  /** Sends a body with a right header. */
  sendBody(type: number, body: Uint8Array, tag = this.nextTag()): number {
    this.send(rawFrame({ type, tag, body }));
    return tag;
  }

  sendT<Name extends MessageName>(
    name: Name,
    values: TMessage<Name>,
    tag = this.nextTag(),
  ): number {
    this.send(encodeT(new WireWriter(), { tag, msize: MSIZE_MAX }, name, values));
    return tag;
  }

  /** The answer to a tag; `closed` if the link ends before. */
  answer<Name extends MessageName>(name: Name, tag: number): Promise<Outcome<RMessage<Name>>> {
    return this.#answers.of(tag, this.closed, ({ type, body }) => {
      if (type === MESSAGES.lerror.type + 1) return failed(MESSAGES.lerror.R.decode(body).ecode);
      const { type: asked, R } = messageRow(name);
      if (type !== asked + 1) return { said: `a message of type ${type}`, values: undefined };
      return { said: 'OK', values: R.decode(body) as RMessage<Name> };
    });
  }

  call<Name extends MessageName>(
    name: Name,
    values: TMessage<Name>,
    tag = this.nextTag(),
  ): Promise<Outcome<RMessage<Name>>> {
    const answered = this.answer(name, tag);
    this.sendT(name, values, tag);
    return answered;
  }

  /** A body that may be none of the message's. */
  callBody<Name extends MessageName>(
    name: Name,
    body: Uint8Array,
    tag = this.nextTag(),
  ): Promise<Outcome<RMessage<Name>>> {
    const answered = this.answer(name, tag);
    this.sendBody(messageRow(name).type, body, tag);
    return answered;
  }

  /** Errors: Error with what was said instead. */
  must<Name extends MessageName>(name: Name, values: TMessage<Name>): Promise<RMessage<Name>> {
    return mustHave(`T${name}`, this.call(name, values));
  }

  /** N of gVisor's versions; 0 is the standard's. */
  version(version = 0, msize = MSIZE_MAX): Promise<RMessage<'version'>> {
    const answered = this.answer('version', NOTAG);
    this.sendT('version', { msize, version: versionText(version) }, NOTAG);
    return mustHave('Tversion', answered);
  }

  async attach(aname = '/'): Promise<number> {
    const fid = this.newFid();
    await this.must('attach', { fid, afid: NOFID, uname: 'root', aname, nUname: NO_ID });
    return fid;
  }

  /** A fid of what is there. */
  async walk(fid: number, ...names: string[]): Promise<number> {
    const newfid = this.newFid();
    const { qids } = await this.must('walk', { fid, newfid, names });
    if (qids.length < names.length) throw new Error(`no ${names.join('/')}`);
    return newfid;
  }

  /** The same, opened. */
  async open(dfid: number, flags: number, ...names: string[]): Promise<number> {
    const fid = await this.walk(dfid, ...names);
    await this.must('lopen', { fid, flags });
    return fid;
  }

  /** Says good-bye. */
  async leave(): Promise<void> {
    this.wire.close();
    await this.closed;
  }

  /** Its link breaks. */
  async vanish(): Promise<void> {
    this.wire.cut();
    await this.closed;
  }
}

/** A frame whose header may be a lie. */
export function rawFrame(frame: {
  readonly type: number;
  readonly tag: number;
  readonly body: Uint8Array;
  readonly size?: number;
}): Uint8Array {
  const { type, tag, body, size = HEADER_SIZE + body.length } = frame;
  const bytes = new Uint8Array(HEADER_SIZE + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, size, true);
  view.setUint8(4, type);
  view.setUint16(5, tag, true);
  bytes.set(body, HEADER_SIZE);
  return bytes;
}

/** How a link ends whose client doesn't keep to the rules. */
export function refused(way: Way): Ending {
  return way === 'TCP' ? 'cut off' : 4002;
}
