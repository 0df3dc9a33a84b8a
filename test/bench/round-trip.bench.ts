// Two workers and nothing but Atomics between them: what a call from one thread to another costs at
// least, when the one that is called must not block (Atomics.waitAsync).

import { expose } from 'comlink';

export interface RoundTripService {
  serve(memory: SharedArrayBuffer): void;
  /** Makes `count` round trips and returns the milliseconds they took. */
  call(memory: SharedArrayBuffer, count: number): number;
}

const IDLE = 0;
const REQUEST = 1;
const RESPONSE = 2;

const service: RoundTripService = {
  serve(memory) {
    listen(new Int32Array(memory), IDLE);
  },
  call(memory, count) {
    const state = new Int32Array(memory);
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      Atomics.store(state, 0, REQUEST);
      Atomics.notify(state, 0);
      while (Atomics.load(state, 0) === REQUEST) Atomics.wait(state, 0, REQUEST);
    }
    return performance.now() - start;
  },
};

/** Waits for the state to leave `from`, which it had when this end last saw it. */
function listen(state: Int32Array, from: number): void {
  const result = Atomics.waitAsync(state, 0, from);
  const answer = (): void => {
    const seen = Atomics.load(state, 0);
    if (seen === REQUEST) {
      Atomics.store(state, 0, RESPONSE);
      Atomics.notify(state, 0);
    }
    listen(state, seen === REQUEST ? RESPONSE : seen);
  };
  if (result.async) void result.value.then(answer);
  else queueMicrotask(answer);
}

expose(service);
