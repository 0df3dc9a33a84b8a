// Tokens of gofers that a page says anew for each link. A function can't be cloned into the
// kernel's worker: it stays in the page, and the worker asks for what it says.

import type { MountSpec } from '../src/api.ts';

/** Says the token of what is mounted at a path. */
export type AskToken = (path: string) => string | Promise<string>;

type Mounts = Readonly<Record<string, MountSpec>>;

/** Mounts as they can be cloned, and who is to be asked for the tokens of some. */
export interface SplitTokens {
  readonly mounts: Mounts;
  /** Mount points. */
  readonly asked: readonly string[];
  readonly ask: AskToken;
}

export function splitTokens(mounts: Mounts): SplitTokens {
  const tokens = new Map<string, () => string | Promise<string>>();
  const split = Object.entries(mounts).map(([path, spec]): [string, MountSpec] => {
    if (spec.type !== 'gofer') return [path, spec];
    const { token, ...options } = spec.options ?? {};
    if (typeof token !== 'function') return [path, spec];
    tokens.set(path, token);
    return [path, { ...spec, options }];
  });
  const ask: AskToken = (path) => {
    const token = tokens.get(path);
    if (token === undefined) throw new Error(`nobody knows the token of ${path}`);
    return token();
  };
  return { mounts: Object.fromEntries(split), asked: [...tokens.keys()], ask };
}

/** What is to be mounted at `path`, with its token asked for. */
export function joinToken(path: string, spec: MountSpec, ask: AskToken): MountSpec {
  if (spec.type !== 'gofer') return spec;
  return { ...spec, options: { ...spec.options, token: () => ask(path) } };
}
