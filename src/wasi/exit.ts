// How a program ends: by itself, by a signal, or by a trap.

import { wasi } from '@bjorn3/browser_wasi_shim';

/**
 * Linux signal numbers of those that can end a program here. Linux:
 * include/uapi/asm-generic/signal.h.
 */
export const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
} as const;

export type SignalName = keyof typeof SIGNALS;

const BY_WASI = new Map<number, SignalName>([
  [wasi.SIGNAL_HUP, 'SIGHUP'],
  [wasi.SIGNAL_INT, 'SIGINT'],
  [wasi.SIGNAL_QUIT, 'SIGQUIT'],
  [wasi.SIGNAL_ILL, 'SIGILL'],
  [wasi.SIGNAL_TRAP, 'SIGTRAP'],
  [wasi.SIGNAL_ABRT, 'SIGABRT'],
  [wasi.SIGNAL_BUS, 'SIGBUS'],
  [wasi.SIGNAL_FPE, 'SIGFPE'],
  [wasi.SIGNAL_KILL, 'SIGKILL'],
  [wasi.SIGNAL_USR1, 'SIGUSR1'],
  [wasi.SIGNAL_SEGV, 'SIGSEGV'],
  [wasi.SIGNAL_USR2, 'SIGUSR2'],
  [wasi.SIGNAL_PIPE, 'SIGPIPE'],
  [wasi.SIGNAL_ALRM, 'SIGALRM'],
  [wasi.SIGNAL_TERM, 'SIGTERM'],
]);

export function signalOfWasi(number: number): SignalName | undefined {
  return BY_WASI.get(number);
}

/** Thrown through the program to end it. */
export class ProgramExit extends Error {
  override readonly name = 'ProgramExit';
  readonly code: number;
  readonly signal: SignalName | null;

  constructor(reason: { readonly code: number } | { readonly signal: SignalName }) {
    super('the program has ended');
    this.code = 'code' in reason ? reason.code >>> 0 : 128 + SIGNALS[reason.signal];
    this.signal = 'signal' in reason ? reason.signal : null;
  }
}

/** Of a write that failed with EPIPE: preview1 has no signal handlers, so the signal kills. */
export function brokenPipe(): ProgramExit {
  return new ProgramExit({ signal: 'SIGPIPE' });
}

/** How a program ended. */
export interface Exit {
  readonly code: number;
  readonly signal: SignalName | null;
  /** A sentence for the user after a trap, or when the module could not be started. */
  readonly error: string | null;
}

/** Exit code after a trap: that of SIGABRT, which is what a native program would have got. */
const TRAP_CODE = 128 + SIGNALS.SIGABRT;

/** The exit that an error thrown by a program, or by starting it, means. */
export function exitOf(error: unknown, program: string): Exit {
  if (error instanceof ProgramExit) return { code: error.code, signal: error.signal, error: null };
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof RangeError && /call stack/i.test(message)) {
    return { code: TRAP_CODE, signal: null, error: `${program} ran out of stack` };
  }
  if (error instanceof WebAssembly.RuntimeError) {
    return { code: TRAP_CODE, signal: null, error: `${program} crashed: ${message}` };
  }
  return { code: TRAP_CODE, signal: null, error: `${program} could not go on: ${message}` };
}
