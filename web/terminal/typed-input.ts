// What was typed for programs and not yet read: lines that streams take from, one at a time.
//
// A line goes to whoever reads next, as with a real terminal. What no program took comes back, also
// what is under way: a stream that is handed to a worker asks for one chunk before anybody there
// wants it. That the chunk was taken shows when the stream asks for the next.

interface Reader {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Ends its wait for a line; null while it doesn't wait. */
  wake: (() => void) | null;
  /** The line that is under way to it, or ''. */
  given: string;
}

/** The end of the input, as Ctrl-D gives it. */
const END = Symbol('end');

const encoder = new TextEncoder();

export class TypedInput {
  #chunks: (string | typeof END)[] = [];
  /** The program that reads, if there is one. */
  #reader: Reader | null = null;

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
    if (this.#reader !== null) this.#reader.given = '';
  }

  /**
   * A stream for one program. It takes a chunk only when the program asks for one. The stream
   * before it ends: programs run one after the other, and one that is over must not take a line.
   */
  open(): ReadableStream<Uint8Array> {
    this.#end();
    let reader: Reader | null = null;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          reader = { controller, wake: null, given: '' };
          this.#reader = reader;
        },
        pull: () =>
          new Promise<void>((wake) => {
            if (reader === null) return;
            reader.given = '';
            reader.wake = wake;
            this.#serve();
          }),
        cancel: () => {
          if (this.#reader === reader) this.#release();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Ends the stream that is open and gives back what nobody took. */
  drain(): string {
    this.#end();
    const rest = this.#chunks.filter((chunk) => chunk !== END).join('');
    this.#chunks = [];
    return rest;
  }

  #end(): void {
    this.#release()?.controller.close();
  }

  /** Takes back what the reader has not got, and forgets it. */
  #release(): Reader | null {
    const reader = this.#reader;
    this.#reader = null;
    if (reader === null) return null;
    if (reader.given !== '') this.#chunks.unshift(reader.given);
    reader.wake?.();
    return reader;
  }

  #serve(): void {
    const reader = this.#reader;
    if (reader === null || reader.wake === null) return;
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return;
    if (chunk === END) {
      this.#end();
      return;
    }
    const { controller, wake } = reader;
    reader.given = chunk;
    reader.wake = null;
    controller.enqueue(encoder.encode(chunk));
    wake();
  }
}
