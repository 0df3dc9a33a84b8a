// Link: the way of messages between a client and the holder, in order, each at most once.

export interface Link<In, Out> {
  post(message: Out): void;
  /** Called with each message, never from inside post(). */
  onMessage: (message: In) => void;
  close(): void;
}

/** Two ends on one thread. What is posted to one arrives at the other as a copy. */
export function localLinks<A, B>(): [Link<A, B>, Link<B, A>] {
  const left = new LocalLink<A, B>();
  const right = new LocalLink<B, A>();
  left.peer = right;
  right.peer = left;
  return [left, right];
}

class LocalLink<In, Out> implements Link<In, Out> {
  peer: LocalLink<Out, In> | undefined;
  onMessage: (message: In) => void = () => undefined;

  post(message: Out): void {
    const { peer } = this;
    // What a call was made with may change as soon as it has been made.
    const copy = structuredClone(message);
    queueMicrotask(() => {
      if (this.peer !== undefined && peer?.peer !== undefined) peer.onMessage(copy);
    });
  }

  close(): void {
    this.peer = undefined;
  }
}
