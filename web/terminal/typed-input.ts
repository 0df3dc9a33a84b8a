// What was typed for programs and not yet read: lines that streams take from, one at a time.
//
// A line goes to whoever reads next, as with a real terminal. What no program took comes back.

interface Reader {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  readonly wake: () => void;
}

/** The end of the input, as Ctrl-D gives it. */
const END = Symbol('end');

const encoder = new TextEncoder();

export class TypedInput {
  #chunks: (string | typeof END)[] = [];
  /** Programs that wait for a line. */
  #readers: Reader[] = [];
  /** The streams that have not ended. */
  readonly #open = new Set<ReadableStreamDefaultController<Uint8Array>>();

  /** Adds what was entered; a line ends in '\n'. */
  push(text: string): void {
    this.#chunks.push(text);
    this.#serve();
  }

  /** Ends the input of the program that reads next. */
  pushEnd(): void {
    this.#chunks.push(END);
    this.#serve();
  }

  /** Forgets what nobody has read yet. */
  flush(): void {
    this.#chunks = [];
  }

  /**
   * A stream for one program. It takes a chunk only when the program asks for one. The streams
   * before it end: programs run one after the other, and one that is over must not take a line.
   */
  open(): ReadableStream<Uint8Array> {
    this.#closeAll();
    let reader: Reader | undefined;
    let self: ReadableStreamDefaultController<Uint8Array> | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          self = controller;
          this.#open.add(controller);
        },
        pull: (controller) =>
          new Promise<void>((wake) => {
            reader = { controller, wake };
            this.#readers.push(reader);
            this.#serve();
          }),
        cancel: () => {
          this.#readers = this.#readers.filter((each) => each !== reader);
          if (self !== undefined) this.#open.delete(self);
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Ends the streams that are open and gives back what they didn't take. */
  drain(): string {
    this.#closeAll();
    const rest = this.#chunks.filter((chunk) => chunk !== END).join('');
    this.#chunks = [];
    return rest;
  }

  #closeAll(): void {
    for (const controller of this.#open) controller.close();
    this.#open.clear();
    for (const { wake } of this.#readers) wake();
    this.#readers = [];
  }

  #serve(): void {
    while (this.#readers.length > 0 && this.#chunks.length > 0) {
      const reader = this.#readers.shift();
      const chunk = this.#chunks.shift();
      if (reader === undefined || chunk === undefined) return;
      if (chunk === END) {
        reader.controller.close();
        this.#open.delete(reader.controller);
      } else reader.controller.enqueue(encoder.encode(chunk));
      reader.wake();
    }
  }
}
