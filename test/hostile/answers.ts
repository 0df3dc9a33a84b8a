// Answers: what comes back to an attacker, whichever protocol it speaks: by tag, for who waits for
// it, and with a look at whether any of it is none of its business.

import { Buffer } from 'node:buffer';
import { errorFromErrno } from '../../src/abi/errno.ts';

/** What canaries outside of the served folder hold. No frame may have it. */
export const SECRET = 'canary: nobody may read this';

/** How a request ended. */
export interface Outcome<Values = unknown> {
  /** `OK`, an errno's name, or `closed` and how. */
  readonly said: string;
  /** If it is `OK`. */
  readonly values: Values | undefined;
}

export function failed(errno: number): Outcome<never> {
  return { said: errorFromErrno(errno).code, values: undefined };
}

/** Errors: Error with what was said instead. */
export async function mustHave<Values>(
  what: string,
  asked: Promise<Outcome<Values>>,
): Promise<Values> {
  const { said, values } = await asked;
  if (values === undefined) throw new Error(`${what}: ${said}`);
  return values;
}

export class Answers<Frame extends { readonly tag: number }, Ending> {
  readonly #decode: (bytes: Uint8Array) => Frame;
  readonly #awaited = new Map<number, (frame: Frame) => void>();
  /** What nobody waits for. */
  readonly unasked: Frame[] = [];
  hasSeenSecret = false;

  constructor(decode: (bytes: Uint8Array) => Frame) {
    this.#decode = decode;
  }

  /** A message has come. */
  take(bytes: Uint8Array): void {
    if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(SECRET)) {
      this.hasSeenSecret = true;
    }
    const frame = this.#decode(bytes);
    const resolve = this.#awaited.get(frame.tag);
    this.#awaited.delete(frame.tag);
    if (resolve === undefined) this.unasked.push(frame);
    else resolve(frame);
  }

  /** What `read` makes of the answer to a tag; `closed` if the link ends before. */
  async of<Values>(
    tag: number,
    ended: Promise<Ending>,
    read: (frame: Frame) => Outcome<Values>,
  ): Promise<Outcome<Values>> {
    const answered = new Promise<() => Outcome<Values>>((resolve) => {
      this.#awaited.set(tag, (frame) => {
        resolve(() => read(frame));
      });
    });
    const closed = ended.then((ending) => (): Outcome<Values> => {
      return { said: `closed ${String(ending)}`, values: undefined };
    });
    const tell = await Promise.race([answered, closed]);
    return tell();
  }
}
