// A process worker: runs one program at a time, in a thread of its own.

import { RealClock } from '../src/lib/clock.ts';
import { runSync } from '../src/lib/op.ts';
import { type Exit, exitOf } from '../src/wasi/exit.ts';
import {
  importsFor,
  instantiateProgram,
  programEnded,
  startFunctionOf,
} from '../src/wasi/instantiate.ts';
import { Wasi } from '../src/wasi/wasi.ts';
import type { ExitMessage, RunMessage } from './protocol.ts';
import { ChannelClient } from './syscall-channel.ts';

const clock = new RealClock();

async function run({ module, channel, program }: RunMessage): Promise<Exit> {
  try {
    const { sys } = new ChannelClient(channel);
    const { argv: args, env, cwd, user, preopens } = program;
    const wasi = new Wasi({ sys, clock, args, env, cwd, user, preopens });
    // System calls block in this thread: no Op ever has to wait.
    const imports = importsFor(
      module,
      wasi.functions,
      ({ run: call }) =>
        (...callArgs: never[]) =>
          runSync(call(...callArgs)),
    );
    const instance = await instantiateProgram(module, imports, clock);
    wasi.attach(instance);
    startFunctionOf(instance)();
    return { code: 0, signal: null, error: null };
  } catch (error) {
    return exitOf(error, program.name);
  }
}

addEventListener('message', (event: MessageEvent<RunMessage>) => {
  void run(event.data).then((exit) => {
    const message: ExitMessage = { exit };
    postMessage(message);
    programEnded();
  });
});
