// The playground as a user has it: the page, its terminal and its kernel.

import type { Page } from 'playwright/test';
import { expect } from 'playwright/test';

/** The terminal is looked at this often, in milliseconds. */
const intervals = [30];

/** A prompt that waits for a command; the number is the exit code of the last one. */
const PROMPT = /^(?:\[(\d+)\] )?user@burrow:(\S+)\$$/;

export interface CommandResult {
  /** What was shown between the command line and the next prompt. */
  readonly output: string;
  readonly code: number;
  readonly cwd: string;
}

export class Playground {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Goes to the playground and waits for its prompt. `query`: switches in the address. */
  static async open(page: Page, query = ''): Promise<Playground> {
    const playground = new Playground(page);
    await page.goto(`/${query}`);
    await playground.atPrompt();
    return playground;
  }

  /** Leaves the page and comes back. */
  async reload(): Promise<void> {
    await this.page.reload();
    await this.atPrompt();
  }

  /** Waits for the shell to wait. */
  async atPrompt(): Promise<void> {
    await expect(this.page.locator('#boot')).toBeHidden();
    await expect.poll(() => this.lastLine(), { intervals }).toMatch(PROMPT);
  }

  /** The lines that the terminal shows. */
  async text(): Promise<string> {
    const rows = await this.page.locator('.xterm-rows > div').allTextContents();
    const lines = rows.map((row) => row.replaceAll('\u00a0', ' ').trimEnd());
    return lines.join('\n').trim();
  }

  async lastLine(): Promise<string> {
    return (await this.text()).split('\n').at(-1) ?? '';
  }

  /** Types into the terminal; `\n` is Enter. */
  async type(text: string): Promise<void> {
    await this.page.getByRole('textbox', { name: 'Terminal input' }).focus();
    for (const [index, line] of text.split('\n').entries()) {
      if (index > 0) await this.page.keyboard.press('Enter');
      await this.page.keyboard.type(line);
    }
  }

  async press(...keys: string[]): Promise<void> {
    await this.page.getByRole('textbox', { name: 'Terminal input' }).focus();
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** Clears the screen at the prompt. */
  async clear(): Promise<void> {
    await this.press('Control+l');
    await expect.poll(() => this.text(), { intervals }).toMatch(PROMPT);
  }

  /** Enters a command on a clear screen, without waiting for anything. */
  async enter(command: string): Promise<void> {
    await this.clear();
    await this.type(`${command}\n`);
  }

  /** Runs a command to its end. */
  async run(command: string): Promise<CommandResult> {
    await this.enter(command);
    return await this.finished();
  }

  /** Waits until what was entered on a clear screen is through. */
  async finished(): Promise<CommandResult> {
    const isPromptBelow = async (): Promise<boolean> => {
      const [, ...below] = (await this.text()).split('\n');
      return PROMPT.test(below.at(-1) ?? '');
    };
    await expect.poll(isPromptBelow, { timeout: 60_000, intervals }).toBe(true);
    const lines = (await this.text()).split('\n').slice(1);
    const [, code = '0', cwd = ''] = PROMPT.exec(lines.pop() ?? '') ?? [];
    return { output: lines.join('\n'), code: Number(code), cwd };
  }

  /** Runs commands that print nothing and succeed. */
  async runAll(...commands: string[]): Promise<void> {
    for (const command of commands) {
      expect(await this.run(command), command).toMatchObject({ output: '', code: 0 });
    }
  }

  /** Waits until the terminal shows this. */
  async shows(text: RegExp): Promise<void> {
    await expect.poll(() => this.text(), { intervals }).toMatch(text);
  }

  /** Waits until everything written is kept, and the page says so. */
  async saved(): Promise<void> {
    const isSaved = (): Promise<boolean> =>
      this.page.evaluate(async () => {
        const states = (await burrow!.mounts()).map(({ commit }) => commit);
        return states.every((state) => state === null || state.dirtyBytes === 0);
      });
    await expect.poll(isSaved, { intervals }).toBe(true);
    await expect(this.page.locator('#status-commit')).toHaveText('saved');
  }

  /** A row of the file tree. */
  row(name: string): ReturnType<Page['getByRole']> {
    return this.page.getByRole('treeitem', { name, exact: true });
  }

  readFile(path: string): Promise<string> {
    return this.page.evaluate((at) => burrow!.fs.readFile(at, 'utf8'), path);
  }

  async writeFile(path: string, text: string): Promise<void> {
    await this.page.evaluate(
      async ([at, content]) => {
        await burrow!.fs.writeFile(at, content);
      },
      [path, text] as const,
    );
  }
}
