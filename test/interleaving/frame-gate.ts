// FrameGate: keeps back the frames of a link, in the order of each direction.

import { messageNameOf } from '../../src/lisafs/messages.ts';
import type { Receiver, Transport } from '../../src/transport/transport.ts';

export interface HeldFrame {
  readonly title: string;
  go(): void;
}

export class FrameGate {
  readonly toServer: HeldFrame[] = [];
  readonly toClient: HeldFrame[] = [];
  /** Off while a scene is set up and cleared away. */
  isStepped = false;

  /** A client's end. */
  wrap(transport: Transport): Transport {
    return new Proxy(transport, {
      get: (target, key): unknown => {
        if (key === 'send') {
          return (message: Uint8Array) => {
            this.#pass(this.toServer, message, (frame) => {
              target.send(frame);
            });
          };
        }
        if (key === 'start') {
          return (receiver: Receiver) => {
            target.start({
              onMessage: (message) => {
                this.#pass(this.toClient, message, (frame) => {
                  receiver.onMessage(frame);
                });
              },
              onClose: (info) => {
                receiver.onClose(info);
              },
            });
          };
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  }

  #pass(queue: HeldFrame[], message: Uint8Array, deliver: (frame: Uint8Array) => void): void {
    const frame = message.slice();
    if (!this.isStepped) {
      deliver(frame);
      return;
    }
    const held: HeldFrame = {
      title: titleOf(frame),
      go: () => {
        queue.splice(queue.indexOf(held), 1);
        deliver(frame);
      },
    };
    queue.push(held);
  }
}

/** The same at the same place with either header. */
function titleOf(frame: Uint8Array): string {
  const mid = new DataView(frame.buffer, frame.byteOffset).getUint16(4, true);
  return messageNameOf(mid) ?? `message ${mid}`;
}
