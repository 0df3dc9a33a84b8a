// web/programs.json, which .tools/programs.mjs writes: the programs the playground offers.

export interface ProgramEntry {
  readonly name: string;
  readonly description: string;
  /** Of the module, relative to the page. */
  readonly url: string;
  /** Bytes of the module. */
  readonly size: number;
  readonly package: string;
  readonly version: string;
  readonly aliases: readonly string[];
  /** Arguments to put before the user's. */
  readonly args: readonly string[];
  /** Files it needs, as a tar archive to unpack at a directory. */
  readonly tar: ProgramArchive | null;
  /** Set if it asks for further programs to be run; see web/programs/. */
  readonly driver: string | null;
}

export interface ProgramArchive {
  readonly url: string;
  readonly prefix: string;
  readonly size: number;
}

/** Errors: Error if `value` is not a manifest. */
export function parseManifest(value: unknown): ProgramEntry[] {
  if (!Array.isArray(value)) throw new Error('programs.json is not a list');
  return value.map((item: unknown) => parseEntry(item));
}

function parseEntry(value: unknown): ProgramEntry {
  const fields = record(value);
  return {
    name: text(fields, 'name'),
    description: text(fields, 'description'),
    url: text(fields, 'url'),
    size: number(fields, 'size'),
    package: text(fields, 'package'),
    version: text(fields, 'version'),
    aliases: texts(fields, 'aliases'),
    args: texts(fields, 'args'),
    tar: fields['tar'] === undefined ? null : parseArchive(fields['tar']),
    driver: fields['driver'] === undefined ? null : text(fields, 'driver'),
  };
}

function parseArchive(value: unknown): ProgramArchive {
  const fields = record(value);
  return {
    url: text(fields, 'url'),
    prefix: text(fields, 'prefix'),
    size: number(fields, 'size'),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function record(value: unknown): Fields {
  if (typeof value !== 'object' || value === null) throw new Error('programs.json: not an object');
  return Object.fromEntries(Object.entries(value));
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new Error(`programs.json: “${name}” is not a string`);
  return value;
}

function number(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number') throw new Error(`programs.json: “${name}” is not a number`);
  return value;
}

function texts(fields: Fields, name: string): string[] {
  const value: unknown = fields[name] ?? [];
  if (!Array.isArray(value)) throw new Error(`programs.json: “${name}” is not a list`);
  return value.map((item: unknown) => {
    if (typeof item !== 'string') throw new Error(`programs.json: “${name}” holds no strings`);
    return item;
  });
}
