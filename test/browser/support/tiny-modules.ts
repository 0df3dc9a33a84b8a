// WebAssembly modules of a few bytes, for what no real program does on purpose.

const I32 = 0x7f;
const FUNCTION = 0x60;
const LOOP = 0x03;
const VOID = 0x40;
const BRANCH = 0x0c;
const CALL = 0x10;
const I32_CONST = 0x41;
const DROP = 0x1a;
const UNREACHABLE = 0x00;
const END = 0x0b;

const PREVIEW1 = 'wasi_snapshot_preview1';

interface Parts {
  /** Module, name, and how many i32 the function takes and returns. */
  readonly imports?: readonly (readonly [string, string, number, number])[];
  /** The body of the only function, number `imports.length`. */
  readonly body: readonly number[];
  /** What it is exported as. Default: '_start'. */
  readonly exported?: string;
}

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}

function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
}

function list(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function functionType(parameters: number, results: number): number[] {
  const types = (count: number): number[] => list(Array.from({ length: count }, () => [I32]));
  return [FUNCTION, ...types(parameters), ...types(results)];
}

function build({ imports = [], body, exported = '_start' }: Parts): Uint8Array<ArrayBuffer> {
  const types = [functionType(0, 0), ...imports.map(([, , from, to]) => functionType(from, to))];
  const imported = imports.map(([from, name], index) => [
    ...text(from),
    ...text(name),
    0x00,
    ...unsigned(index + 1),
  ]);
  const code = [0x00, ...body, END];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, list(types)),
    ...section(2, list(imported)),
    ...section(3, list([[0]])),
    ...section(5, list([[0x00, 0x01]])),
    ...section(
      7,
      list([
        [...text('memory'), 0x02, 0],
        [...text(exported), 0x00, ...unsigned(imports.length)],
      ]),
    ),
    ...section(10, list([[...unsigned(code.length), ...code]])),
  ]);
}

/** Computes forever and makes no calls. */
export function busyLoop(): Uint8Array<ArrayBuffer> {
  return build({ body: [LOOP, VOID, BRANCH, 0, END] });
}

/** Makes calls forever. */
export function busyCalls(): Uint8Array<ArrayBuffer> {
  return build({
    imports: [[PREVIEW1, 'sched_yield', 0, 1]],
    body: [LOOP, VOID, CALL, 0, DROP, BRANCH, 0, END],
  });
}

export function trap(): Uint8Array<ArrayBuffer> {
  return build({ body: [UNREACHABLE] });
}

/** Calls itself until the stack is full. */
export function endlessRecursion(): Uint8Array<ArrayBuffer> {
  return build({ body: [CALL, 0] });
}

export function exitWith(code: number): Uint8Array<ArrayBuffer> {
  return build({
    imports: [[PREVIEW1, 'proc_exit', 1, 0]],
    body: [I32_CONST, ...signed(code), CALL, 0],
  });
}

export function withImport(from: string, name: string): Uint8Array<ArrayBuffer> {
  return build({ imports: [[from, name, 0, 0]], body: [CALL, 0] });
}

/** A module that is no program. */
export function library(): Uint8Array<ArrayBuffer> {
  return build({ body: [], exported: 'helper' });
}
