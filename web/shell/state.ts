// What a shell remembers between two commands.

/** Where programs are looked for when PATH is not set. */
const DEFAULT_PATH = '/bin';

export class ShellState {
  cwd: string;
  /** Exit code of the last command. */
  status = 0;
  /** Set by `exit`. */
  exitCode: number | null = null;
  readonly variables: Map<string, string>;
  /** Names of the variables that programs see. */
  readonly exported: Set<string>;

  constructor(cwd: string, environment: Readonly<Record<string, string>>) {
    this.cwd = cwd;
    this.variables = new Map(Object.entries(environment));
    this.exported = new Set(this.variables.keys());
    this.variables.set('PWD', cwd);
    this.exported.add('PWD');
  }

  /** A copy, for a part of a pipeline: what it changes is forgotten. */
  clone(): ShellState {
    const copy = new ShellState(this.cwd, {});
    copy.status = this.status;
    for (const [name, value] of this.variables) copy.variables.set(name, value);
    for (const name of this.exported) copy.exported.add(name);
    return copy;
  }

  /** A variable's value; that of `?` is the last exit code. */
  get(name: string): string | undefined {
    return name === '?' ? String(this.status) : this.variables.get(name);
  }

  set(name: string, value: string): void {
    this.variables.set(name, value);
  }

  /** Moves to a directory known to exist. */
  changeDirectory(path: string): void {
    this.set('OLDPWD', this.cwd);
    this.set('PWD', path);
    this.exported.add('OLDPWD');
    this.cwd = path;
  }

  /** The variables that programs see. */
  environment(): Record<string, string> {
    const environment: Record<string, string> = {};
    for (const name of this.exported) {
      const value = this.variables.get(name);
      if (value !== undefined) environment[name] = value;
    }
    return environment;
  }

  /** Directories in which programs are looked for. */
  searchPath(): string[] {
    const path = this.variables.get('PATH') ?? DEFAULT_PATH;
    return path.split(':').map((directory) => (directory === '' ? this.cwd : directory));
  }
}
