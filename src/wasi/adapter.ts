// The adapter between a program and its imports in an inline task.
//
// A wasm import wrapped in WebAssembly.Suspending suspends the program on every call (80 ns and a
// microtask), a plain one costs 13 ns. Most calls needn't wait. So the program calls this small
// module, made here byte by byte, which calls the plain import first, and only when that answers
// WOULD_WAIT the one suspending import that waits for what it left pending.

/** What a plain import returns when the program must be suspended. No import has it as a result. */
export const WOULD_WAIT = -1;

export interface AdapterFunction {
  readonly module: string;
  readonly name: string;
  /** One letter a parameter: i (i32) or I (i64). */
  readonly parameters: string;
}

const I32 = 0x7f;
const I64 = 0x7e;
const SECTION = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;

/** Name of an adapter's export for a function; plain imports have the same name. */
export function adapterName({ module, name }: { module: string; name: string }): string {
  return `${module}.${name}`;
}

/**
 * The bytes of an adapter. It imports "plain" functions by adapterName() and "wait"."wait", and
 * exports every function under its adapterName().
 */
export function makeAdapter(functions: readonly AdapterFunction[]): Uint8Array<ArrayBuffer> {
  const types = [...new Set(functions.map(({ parameters }) => parameters))];
  const typeOf = (parameters: string): number => types.indexOf(parameters);
  const waitType = types.length;
  const count = functions.length;
  const waitFunction = count;
  const sections = [
    section(SECTION.type, [
      ...types.map((parameters) => functionType(parameters)),
      functionType(''),
    ]),
    section(SECTION.import, [
      ...functions.map((each) => [
        ...text('plain'),
        ...text(adapterName(each)),
        0,
        ...unsigned(typeOf(each.parameters)),
      ]),
      [...text('wait'), ...text('wait'), 0, ...unsigned(waitType)],
    ]),
    section(
      SECTION.function,
      functions.map(({ parameters }) => unsigned(typeOf(parameters))),
    ),
    section(
      SECTION.export,
      functions.map((each, index) => [
        ...text(adapterName(each)),
        0,
        ...unsigned(count + 1 + index),
      ]),
    ),
    section(
      SECTION.code,
      functions.map(({ parameters }, index) => body(parameters.length, index, waitFunction)),
    ),
  ];
  return new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat()]);
}

function functionType(parameters: string): number[] {
  const codes = Array.from(parameters, (letter) => (letter === 'I' ? I64 : I32));
  return [0x60, ...unsigned(codes.length), ...codes, 1, I32];
}

/** call plain; if it returned WOULD_WAIT, call wait instead. */
function body(parameterCount: number, plainFunction: number, waitFunction: number): number[] {
  const loads = Array.from({ length: parameterCount }, (_, index) => [0x20, ...unsigned(index)]);
  const result = unsigned(parameterCount);
  const code = [
    // One local of type i32.
    ...[1, 1, I32],
    ...loads.flat(),
    ...[0x10, ...unsigned(plainFunction)],
    ...[0x22, ...result],
    // i32.const -1, i32.eq, if (result i32)
    ...[0x41, 0x7f, 0x46, 0x04, I32],
    ...[0x10, ...unsigned(waitFunction)],
    ...[0x05, 0x20, ...result, 0x0b],
    0x0b,
  ];
  return [...unsigned(code.length), ...code];
}

function section(id: number, items: readonly (readonly number[])[]): number[] {
  const content = [...unsigned(items.length), ...items.flat()];
  return [id, ...unsigned(content.length), ...content];
}

function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
}

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}
