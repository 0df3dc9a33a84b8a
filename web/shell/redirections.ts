// Where a command's input comes from and its output goes, after its redirections.

import { ShellError, describeError } from './errors.ts';
import type { ExpansionContext } from './expand.ts';
import { expandWords } from './expand.ts';
import type { ShellFileSystem } from './host.ts';
import { joinPath } from './paths.ts';
import type { Redirection, Word } from './syntax.ts';

export type Input =
  | { readonly kind: 'terminal' }
  | { readonly kind: 'pipe' }
  | { readonly kind: 'file'; readonly path: string };

/** Two outputs are the same object if they were made the same with `2>&1` or `&>`. */
export type Output =
  | { readonly kind: 'terminal' }
  | { readonly kind: 'pipe' }
  | { readonly kind: 'file'; readonly path: string; readonly append: boolean };

export interface Channels {
  readonly input: Input;
  readonly output: Output;
  readonly errors: Output;
}

/**
 * Applies `redirections` from left to right. Every file named for writing is made or emptied, also
 * one that a later redirection replaces.
 *
 * Errors: ShellError.
 */
export async function redirect(
  channels: Channels,
  redirections: readonly Redirection[],
  context: ExpansionContext,
  fs: ShellFileSystem,
): Promise<Channels> {
  let { input } = channels;
  const outputs = { 1: channels.output, 2: channels.errors };
  for (const redirection of redirections) {
    if (redirection.kind === 'duplicate') {
      outputs[redirection.fd] = outputs[redirection.source];
      continue;
    }
    const path = await expandPath(redirection.path, context);
    if (redirection.kind === 'read') {
      await probe(path, 'r', fs);
      input = { kind: 'file', path: path.absolute };
      continue;
    }
    await probe(path, redirection.append ? 'a' : 'w', fs);
    const { append } = redirection;
    const output: Output = { kind: 'file', path: path.absolute, append };
    for (const fd of redirection.fds) if (fd !== 0) outputs[fd] = output;
  }
  return { input, output: outputs[1], errors: outputs[2] };
}

interface RedirectionPath {
  readonly typed: string;
  readonly absolute: string;
}

async function expandPath(word: Word, context: ExpansionContext): Promise<RedirectionPath> {
  const [typed, ...others] = await expandWords([word], context);
  if (typed === undefined || others.length > 0) {
    throw new ShellError(`${word.source}: ambiguous redirection`);
  }
  // Not normalized: only the filesystem knows what `..` means behind a symlink.
  const absolute = typed.startsWith('/') ? typed : joinPath(context.cwd, typed);
  return { typed, absolute: typed === '' ? '' : absolute };
}

/** Opens and closes the file, so that a mistake is found before the program starts. */
async function probe(path: RedirectionPath, flags: string, fs: ShellFileSystem): Promise<void> {
  try {
    if (path.absolute === '') throw new Error('no such file or directory');
    const handle = await fs.open(path.absolute, flags);
    await handle.close();
  } catch (error) {
    throw new ShellError(`${path.typed}: ${describeError(error)}`);
  }
}
