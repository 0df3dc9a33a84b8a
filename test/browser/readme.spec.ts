// The README's examples, run as they stand. What an example says it prints is in the comment behind
// its console.log.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'playwright/test';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const README = readFileSync(`${ROOT}README.md`, 'utf8');

const examples = [...README.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code);

/** What the comments promise, line by line. */
function promised(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text = '']) => text);
}

const END = 'example ended';

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
    const packaged = "from 'burrowfs'";
    expect(code).toContain(packaged);
    await page.addScriptTag({
      type: 'module',
      content: `${code.replace(packaged, `from '/@fs${ROOT}src/index.ts'`)}
        console.log('${END}');`,
    });
    await expect.poll(() => printed.at(-1)).toBe(END);
    expect(printed.slice(0, -1)).toEqual(promised(code));
  });
}
