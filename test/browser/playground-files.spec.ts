// The playground's file tree and editor, and files that come in and go out.

import { readFile } from 'node:fs/promises';
import type { Locator, Page } from 'playwright/test';
import { expect, test } from 'playwright/test';
import { Playground } from './support/playground.ts';

const HOME = '/home/user';

function editorOf(page: Page): Locator {
  return page.getByRole('region', { name: 'Editor' });
}

/** Opens a file of the home directory by a click, and waits for its text. */
async function openFile(playground: Playground, name: string): Promise<Locator> {
  await playground.row(name).click();
  const text = playground.page.getByRole('textbox', { name: `Text of ${name}` });
  await expect(text).toBeFocused();
  return text;
}

test('the file tree follows what programs do', async ({ page }) => {
  const playground = await Playground.open(page);
  await expect(playground.row('user')).toHaveAttribute('aria-expanded', 'true');
  await playground.run('mkdir -p dir/sub && echo > dir/file && ln -s dir link');
  await expect(playground.row('dir')).toHaveAttribute('aria-level', '4');
  await expect(playground.row('link, link to dir')).toBeVisible();
  await expect(playground.row('sub')).toBeHidden();
  await playground.row('dir').click();
  await expect(playground.row('sub')).toBeVisible();
  await playground.run('rmdir dir/sub; mv dir/file dir/renamed');
  await expect(playground.row('renamed')).toBeVisible();
  await expect(playground.row('sub')).toBeHidden();
  await playground.run('rm -r dir link');
  await expect(playground.row('dir')).toBeHidden();
  // Without a command: a program in the background, or another part of the page.
  await playground.writeFile(`${HOME}/appeared`, '');
  await expect(playground.row('appeared')).toBeVisible();
});

test('the file tree is used with the keyboard', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.run('mkdir dir && echo text > dir/file');
  // The tree finds out a moment later, and a key goes only to what is there.
  await expect(playground.row('dir')).toBeVisible();
  await playground.row('user').focus();
  await page.keyboard.press('ArrowRight');
  await expect(playground.row('dir')).toBeFocused();
  await page.keyboard.press('ArrowRight');
  await expect(playground.row('dir')).toHaveAttribute('aria-expanded', 'true');
  await page.keyboard.press('ArrowRight');
  await expect(playground.row('file')).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('textbox', { name: 'Text of file' })).toBeFocused();
  // F6 goes on to the terminal, and to the tree.
  await page.keyboard.press('F6');
  await expect(page.getByRole('textbox', { name: 'Terminal input' })).toBeFocused();
  await page.keyboard.press('F6');
  await expect(playground.row('file')).toBeFocused();
  await page.keyboard.press('ArrowLeft');
  await expect(playground.row('dir')).toBeFocused();
});

test('keys act on the row that has the focus, however it got it', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.run('mkdir first second && echo > first/inside');
  await playground.row('second').click();
  await playground.row('first').focus();
  await expect(playground.row('first')).toHaveAttribute('aria-selected', 'true');
  await page.keyboard.press('Enter');
  await expect(playground.row('inside')).toBeVisible();
  await expect(playground.row('second')).toHaveAttribute('aria-selected', 'false');
  // It stays so while rows come and go around it.
  await playground.writeFile(`${HOME}/another`, '');
  await expect(playground.row('another')).toBeVisible();
  await expect(playground.row('first')).toBeFocused();
});

test('the editor saves with Ctrl-S', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.run('printf "one\\ntwo\\n" > text && chmod 600 text');
  const editor = editorOf(page);
  const text = await openFile(playground, 'text');
  await expect(text).toHaveText('onetwo');
  await expect(editor.getByRole('img', { name: 'not saved' })).toBeHidden();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('three');
  await expect(editor.getByRole('img', { name: 'not saved' })).toBeVisible();
  expect(await playground.readFile(`${HOME}/text`)).toBe('one\ntwo\n');
  await page.keyboard.press('Control+s');
  await expect(editor.getByRole('img', { name: 'not saved' })).toBeHidden();
  expect(await playground.readFile(`${HOME}/text`)).toBe('one\ntwo\nthree');
  expect((await playground.run('cat text')).output).toBe('one\ntwo\nthree');
  expect((await playground.run('ls -l text')).output).toMatch(/^-rw-------/);
  await editor.getByRole('button', { name: 'Close' }).click();
  await expect(editor).toBeHidden();
});

test('the editor shows what other programs write, and asks before it loses anything', async ({
  page,
}) => {
  const playground = await Playground.open(page);
  await playground.run('echo old > shared; echo other > other');
  const text = await openFile(playground, 'shared');
  await playground.run('echo new > shared');
  await expect(text).toHaveText('new');
  await text.click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('mine');
  await playground.run('echo newer > shared');
  await text.click();
  await page.keyboard.press('Control+s');
  const changed = page.getByRole('dialog', { name: 'shared was changed by another program' });
  await changed.getByRole('button', { name: 'Cancel' }).click();
  expect(await playground.readFile(`${HOME}/shared`)).toBe('newer\n');
  await playground.row('other').click();
  const leave = page.getByRole('dialog', { name: 'Save the changes to shared?' });
  await leave.getByRole('button', { name: 'Discard' }).click();
  await expect(page.getByRole('textbox', { name: 'Text of other' })).toHaveText('other');
});

test('the editor says that its file is gone, and makes it anew', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.run('echo text > file');
  await openFile(playground, 'file');
  const gone = editorOf(page).getByText('(deleted)');
  await expect(gone).toBeHidden();
  await playground.run('rm file');
  await expect(gone).toBeVisible();
  // Also with the focus elsewhere: Ctrl-S is not for the browser here.
  await playground.row('user').focus();
  await page.keyboard.press('Control+s');
  await expect(gone).toBeHidden();
  expect(await playground.readFile(`${HOME}/file`)).toBe('text\n');
});

test('what can not be deleted loses nothing', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.row('dev').focus();
  await page.keyboard.press('Delete');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByText('dev was not deleted: a filesystem is mounted')).toBeVisible();
  await playground.row('/').focus();
  await page.keyboard.press('Delete');
  await expect(page.getByRole('dialog')).toBeHidden();
  expect((await playground.run('ls /dev/null && ls /home')).output).toBe('/dev/null\nuser');
});

test('what is no text is not edited', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.run('printf "a\\0b" > binary; truncate -s 5G large');
  await playground.row('binary').click();
  await expect(editorOf(page)).toContainText('This is a binary file.');
  await playground.row('large').click();
  await expect(editorOf(page)).toContainText(/This file has 5\.\d GB/);
});

test('files and folders are made, renamed and deleted', async ({ page }) => {
  const playground = await Playground.open(page);
  const dialog = page.getByRole('dialog').last();
  await page.getByRole('button', { name: 'New folder' }).click();
  await page.getByLabel(`Name, in ${HOME}`).fill('folder');
  await page.keyboard.press('Enter');
  await expect(playground.row('folder')).toHaveAttribute('aria-selected', 'true');
  await page.getByRole('button', { name: 'New file' }).click();
  await page.getByLabel(`Name, in ${HOME}/folder`).fill('a/b');
  await page.keyboard.press('Enter');
  await expect(dialog.getByRole('alert')).toHaveText('A name can’t contain a slash.');
  await page.getByLabel(`Name, in ${HOME}/folder`).fill('new.py');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('textbox', { name: 'Text of new.py' })).toBeFocused();
  await page.keyboard.type('print(6 * 7)');
  await page.keyboard.press('Control+s');
  await playground.row('new.py').click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Rename…' }).click();
  await page.getByLabel('New name').fill('answer.py');
  await page.keyboard.press('Enter');
  await expect(playground.row('answer.py')).toBeVisible();
  await expect(editorOf(page).getByRole('heading')).toContainText('answer.py');
  await expect(page.getByRole('textbox', { name: 'Text of answer.py' })).toBeVisible();
  expect((await playground.run('python folder/answer.py')).output).toBe('42');
  await playground.row('folder').click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Delete…' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(playground.row('folder')).toBeHidden();
  expect((await playground.run('ls')).output).toBe('');
});

/** Drops files on an element, as from another window. */
async function dropOn(target: Locator, files: Record<string, string>): Promise<void> {
  await target.evaluate((element, entries) => {
    const dataTransfer = new DataTransfer();
    for (const [name, text] of Object.entries(entries)) {
      dataTransfer.items.add(new File([text], name));
    }
    const init = { dataTransfer, bubbles: true, cancelable: true };
    element.dispatchEvent(new DragEvent('dragover', init));
    element.dispatchEvent(new DragEvent('drop', init));
  }, files);
}

test('files are dropped in and chosen', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.run('mkdir dir && cd dir');
  await dropOn(page.locator('#terminal'), { 'dropped.txt': 'dropped', 'größer.txt': 'second' });
  await expect(playground.row('dropped.txt')).toBeVisible();
  await expect(playground.row('größer.txt')).toBeVisible();
  expect((await playground.run('cat dropped.txt grö*')).output).toBe('droppedsecond');
  await dropOn(playground.row('user'), { 'on-row.txt': 'x'.repeat(3_000_000) });
  await expect(playground.row('on-row.txt')).toBeVisible();
  expect((await playground.run('wc -c < ~/on-row.txt')).output.trim()).toBe('3000000');
  await dropOn(playground.row('user'), { 'on-row.txt': 'replaced' });
  await page
    .getByRole('dialog', { name: 'Replace on-row.txt?' })
    .getByRole('button', { name: 'Replace' })
    .click();
  await expect.poll(() => playground.readFile(`${HOME}/on-row.txt`)).toBe('replaced');
  const choosing = page.waitForEvent('filechooser');
  await playground.row('dir').click();
  await page.getByRole('button', { name: 'Upload files' }).click();
  const buffer = Buffer.from('chosen');
  await (await choosing).setFiles([{ name: 'chosen.txt', mimeType: 'text/plain', buffer }]);
  await expect(playground.row('chosen.txt')).toBeVisible();
  // The row may come before the file has its name.
  await expect(async () => {
    expect(await playground.readFile(`${HOME}/dir/chosen.txt`)).toBe('chosen');
  }).toPass();
});

test('files are downloaded', async ({ page }) => {
  const playground = await Playground.open(page);
  await playground.run('seq 1 300000 > numbers.txt');
  await playground.row('numbers.txt').click({ button: 'right' });
  const downloading = page.waitForEvent('download');
  await page.getByRole('menuitem', { name: 'Download' }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe('numbers.txt');
  const text = await readFile(await download.path(), 'utf8');
  expect(text).toBe(Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join(''));
});
