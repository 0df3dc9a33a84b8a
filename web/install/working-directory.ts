// Interpreters that can change their working directory do so when they start: WASI has no other way
// to tell them (see the README on working directories). Both use hooks their users know.

import type { FileSystem } from '../../src/index.ts';

const DIRECTORY = '/lib/burrow';

/** Python runs a module of this name at start, from anywhere in PYTHONPATH. */
const PYTHON_HOOK = `import os
if os.path.isdir(os.environ.get('PWD', '')):
    os.chdir(os.environ['PWD'])
`;

const RUBY_HOOK = `Dir.chdir(ENV['PWD']) if ENV['PWD'] && Dir.exist?(ENV['PWD'])
`;

/** What the shell's environment needs for the hooks to be found. */
export const HOOK_ENVIRONMENT: Readonly<Record<string, string>> = {
  PYTHONPATH: `${DIRECTORY}/python`,
  RUBYOPT: `-r${DIRECTORY}/ruby/chdir.rb`,
};

export async function installHooks(fs: FileSystem): Promise<void> {
  await fs.mkdir(`${DIRECTORY}/python`, { recursive: true });
  await fs.mkdir(`${DIRECTORY}/ruby`, { recursive: true });
  await fs.writeFile(`${DIRECTORY}/python/sitecustomize.py`, PYTHON_HOOK);
  await fs.writeFile(`${DIRECTORY}/ruby/chdir.rb`, RUBY_HOOK);
}
