// The README's examples, run as they stand. What an example says it prints is in the comment behind
// its console.log.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, type Page, test } from 'playwright/test';
import { startServer } from '../support/gofer-servers.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const README = readFileSync(`${ROOT}README.md`, 'utf8');

const examples = [...README.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code);

/** What the comments promise, line by line. */
function promised(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text = '']) => text);
}

const END = 'example ended';

/** Address and path of the token, as an example has them that mounts a folder of this host. */
const ADDRESS = 'ws://127.0.0.1:5640/';
const TOKEN_PATH = '/gofer-token';

/** The example with the address of a real gofer, whose token the page is told. */
async function withGofer(page: Page, code: string) {
  if (!code.includes(ADDRESS)) return { gofer: undefined, text: code };
  const gofer = await startServer();
  await page.route(`**${TOKEN_PATH}`, (route) => route.fulfill({ body: gofer.token }));
  return { gofer, text: code.replace(ADDRESS, gofer.url) };
}

test('the README has examples that print something', () => {
  expect(examples.length).toBeGreaterThanOrEqual(3);
  for (const code of examples) expect(promised(code)).not.toEqual([]);
});

for (const [index, code] of examples.entries()) {
  test(`README example ${index + 1} prints what it says`, async ({ page }) => {
    const printed: string[] = [];
    page.on('console', (message) => {
      if (['log', 'error'].includes(message.type())) printed.push(message.text());
    });
    page.on('pageerror', (error) => printed.push(error.message));
    await page.goto(`/@fs${ROOT}test/browser/support/kernel-page.html`);
    const { gofer, text } = await withGofer(page, code);
    const packaged = "from 'burrowfs'";
    expect(code).toContain(packaged);
    await page.addScriptTag({
      type: 'module',
      content: `${text.replace(packaged, `from '/@fs${ROOT}src/index.ts'`)}
        console.log('${END}');`,
    });
    try {
      await expect.poll(() => printed.at(-1)).toBe(END);
      expect(printed.slice(0, -1)).toEqual(promised(code));
    } finally {
      await gofer?.stop();
    }
  });
}
