export interface BuiltCommand {
  /** What Node is to run. */
  readonly script: string;
  remove(): void;
}

export function buildCommand(): Promise<BuiltCommand>;
