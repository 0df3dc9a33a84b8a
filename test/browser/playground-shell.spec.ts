// The playground's terminal: command lines, programs on the tree, keys.

import { expect, test } from 'playwright/test';
import { ensureProgram } from '../../.tools/programs.mjs';
import { isolationOf } from './support/kernel-page.ts';
import { Playground } from './support/playground.ts';

test('words, lists, pipes, redirections and globs', async ({ page }) => {
  const shell = await Playground.open(page);
  const cases: readonly (readonly [command: string, output: string, code?: number])[] = [
    ['echo one "two  $HOME" \'$HOME\' three\\ four', 'one two  /home/user $HOME three four'],
    ['seq 1 20 | rg 1 | wc -l', '11'],
    ['echo first > list; echo second >> list; cat < list', 'first\nsecond'],
    ['cat none 2> errors; cat errors', 'cat: none: No such file or directory'],
    ['cat none list 2>&1 | wc -l', '3'],
    ['false || echo otherwise', 'otherwise'],
    ['false && echo never', '', 1],
    ['true && echo both # not this', 'both'],
    ['touch a.txt b.txt c.md && echo *.txt', 'a.txt b.txt'],
    ['echo [bc].* "*.md" *.none', 'b.txt c.md *.md *.none'],
    ['export NAME="a b"; printenv NAME', 'a b'],
    ['GREETING=hi printenv GREETING', 'hi'],
    ['sh', expect.stringContaining('sh: command not found') as unknown as string, 127],
    ['catt list', 'catt: command not found (did you mean “cat”?)', 127],
  ];
  for (const [command, output, code = 0] of cases) {
    expect(await shell.run(command), command).toMatchObject({ output, code });
  }
});

test('relative paths follow the working directory', async ({ page }) => {
  const shell = await Playground.open(page);
  expect(await shell.run('pwd')).toEqual({ output: '/home/user', code: 0, cwd: '~' });
  await shell.run('mkdir -p dir/sub && echo content > dir/file');
  expect(await shell.run('cd dir && ls')).toEqual({ output: 'file  sub', code: 0, cwd: '~/dir' });
  expect(await shell.run('cat file ./file sub/../file')).toMatchObject({
    output: 'content\n'.repeat(3).trim(),
  });
  expect((await shell.run('cd sub; cat ../file > here; ls')).output).toBe('here');
  expect(await shell.run('cd /tmp; pwd; cd -')).toMatchObject({
    output: '/tmp\n/home/user/dir/sub',
    cwd: '~/dir/sub',
  });
  expect(await shell.run('cd; cd none')).toMatchObject({ code: 1, cwd: '~' });
  // A program's own files are found there as well.
  await shell.run('cd dir && python -c \'open("made", "w").write(open("file").read())\'');
  expect(await shell.readFile('/home/user/dir/made')).toBe('content\n');
  await shell.run('python -c \'open("/beneath-root", "w").write("so\\n")\'');
  expect((await shell.run('cat /beneath-root')).output).toBe('so');
});

test('the programs of npm work on the tree', async ({ page }) => {
  const shell = await Playground.open(page);
  await shell.runAll('mkdir -p a/deep', 'echo needle > a/deep/file', 'ln -s deep/file a/link');
  await shell.runAll('cp -r a b', 'mv b/deep b/moved', 'ln b/moved/file b/hard');
  expect((await shell.run('readlink a/link; cat a/link')).output).toBe('deep/file\nneedle');
  // This rg follows links, also under Node.
  expect((await shell.run('rg -l needle . | sort')).output).toBe(
    ['./a/deep/file', './a/link', './b/hard', './b/moved/file'].join('\n'),
  );
  await shell.runAll('chmod 640 a/deep/file');
  expect((await shell.run('ls -l a/deep')).output).toMatch(/^-rw-r----- .* file$/m);
  await shell.runAll('tar cf a.tar a', 'rm -r a');
  expect((await shell.run('ls a')).code).not.toBe(0);
  expect((await shell.run('tar tf a.tar | sort')).output).toBe('a\na/deep\na/deep/file\na/link');
  await shell.runAll('tar xf a.tar');
  // This tar writes 644 into its archives, also under Node.
  expect((await shell.run('ls -l a/deep')).output).toMatch(/^-rw-r--r-- .* file$/m);
  expect((await shell.run('ls -l a')).output).toMatch(/^lrwxrwxrwx .* link -> deep\/file$/m);
  expect((await shell.run('cat a/link')).output).toBe('needle');
  expect((await shell.run('stat b/hard | rg -i links')).output).toMatch(/Links: 2/);
  await shell.runAll('rm -r a b a.tar');
  expect((await shell.run('ls')).output).toBe('');
});

test('options may follow the names; ls shows what would control the terminal as ?', async ({
  page,
}) => {
  const shell = await Playground.open(page);
  await shell.runAll('touch "new\\line" file -d 2020-01-02');
  await shell.writeFile('/home/user/two\nlines', '');
  expect((await shell.run('ls file -l')).output).toMatch(/^-rw.* 2020 file$/);
  expect((await shell.run('ls')).output).toBe('file       new\\line   two?lines');
  expect((await shell.run('printf "b\\na\\n" > file; sort file -r')).output).toBe('b\na');
  expect((await shell.run('stat file -c %s')).output).toBe('4');
});

test('Tab completes commands and paths', async ({ page }) => {
  const shell = await Playground.open(page);
  await shell.run('mkdir -p projects/burrow && touch "projects/a file" projects/notes.txt');
  await shell.clear();
  await shell.type('printe');
  await shell.press('Tab');
  await shell.shows(/\$ printenv$/);
  await shell.press('Control+u');
  await shell.type('cat pro');
  await shell.press('Tab');
  await shell.shows(/\$ cat projects\/$/);
  await shell.type('n');
  await shell.press('Tab');
  await shell.shows(/\$ cat projects\/notes\.txt$/);
  await shell.type(' projects/a');
  await shell.press('Tab');
  await shell.shows(/projects\/a\\ file$/);
  await shell.type(' projects/');
  await shell.press('Tab', 'Tab');
  await shell.shows(/\na file +burrow\/ +notes\.txt\n/);
});

test('lines are edited, and remembered over a reload', async ({ page }) => {
  const shell = await Playground.open(page);
  await shell.run('echo first');
  await shell.run('echo second');
  await shell.clear();
  await shell.press('ArrowUp', 'ArrowUp');
  await shell.shows(/\$ echo first$/);
  await shell.press('ArrowDown', 'Control+a');
  for (let index = 0; index < 'echo '.length; index++) await shell.press('ArrowRight');
  await shell.type('the ');
  await shell.press('Control+e', 'Backspace');
  await shell.type('!\n');
  expect((await shell.finished()).output).toBe('the secon!');
  await shell.type('never run');
  await shell.press('Control+c');
  await shell.shows(/never run\^C\n\[130\] .*\$$/);
  await shell.saved();
  await shell.reload();
  await shell.clear();
  await shell.press('ArrowUp');
  await shell.shows(/\$ echo the secon!$/);
});

test('a program reads what is typed, until Ctrl-D', async ({ page }) => {
  const shell = await Playground.open(page);
  await shell.runAll('sort < /dev/null');
  await shell.enter('sort');
  await shell.type('pear\napple\n');
  await shell.press('Control+d');
  expect((await shell.finished()).output).toBe('pear\napple\napple\npear');
});

test('what is typed ahead is for the next who reads', async ({ page }) => {
  const shell = await Playground.open(page);
  await shell.runAll('sleep 0');
  const isRunning = async (): Promise<void> => {
    await expect(page.locator('#terminal')).toHaveAttribute('data-state', 'running');
  };
  await shell.enter('sleep 2');
  await isRunning();
  await shell.type('echo one\necho two\nech');
  await shell.shows(/^one\n.*\$ echo two\ntwo\n.*\$ ech$/m);
  await shell.type('o three\n');
  await shell.shows(/^three$/m);
  // The next program of the same line comes before the shell.
  await shell.enter('sleep 2; head -n 1');
  await isRunning();
  await shell.type('for head\necho for the shell\n');
  await shell.shows(/shell\nfor head\n.*\$ echo for the shell\nfor the shell$/m);
  // Ctrl-C drops it, as a terminal does.
  await shell.enter('sleep 1000');
  await isRunning();
  await shell.type('echo never\n');
  await shell.press('Control+c');
  await shell.shows(/\[130\] .*\$$/);
  await shell.type('echo after\n');
  await shell.shows(/^after$/m);
  expect(await shell.text()).not.toMatch(/^never$/m);
});

test('the progress of a download leaves no trace, whatever is typed', async ({ page }) => {
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await page.route('**/programs/seq.wasm', async (route) => {
    await held;
    await route.continue();
  });
  const shell = await Playground.open(page);
  for (const end of ['interrupt', 'arrive']) {
    await shell.enter('seq 3');
    await shell.shows(/^seq .*0%/m);
    await shell.type('echo typed ahead\nech');
    await shell.shows(/^seq .*0%.*\nech$/m);
    if (end === 'interrupt') {
      await shell.press('Control+c');
      await shell.shows(/^user@.*seq 3\necho typed ahead\nech\^C\n\[130\] .*\$$/);
    } else {
      letGo();
      await shell.shows(/\n1\n2\n3\n.*\$ echo typed ahead\ntyped ahead\n.*\$ ech$/);
      expect(await shell.text()).not.toContain('%');
    }
  }
});

test('Ctrl-C kills what runs', async ({ page }, testInfo) => {
  const shell = await Playground.open(page);
  await shell.runAll("python -c ''", 'sleep 0', 'true | cat');
  expect(await shell.run('yes | head -n 1')).toMatchObject({ output: 'y', code: 0 });
  const commands = ['cat', 'sleep 1000', 'yes | cat > /dev/null'];
  // Inline, a program that only computes keeps its kernel busy.
  if (isolationOf(testInfo) === 'worker') commands.push("python -c 'while True: pass'");
  for (const command of commands) {
    await shell.enter(command);
    await expect(page.locator('#terminal')).toHaveAttribute('data-state', 'running');
    await shell.press('Control+c');
    expect(await shell.finished(), command).toMatchObject({ output: '^C', code: 130 });
  }
  expect((await shell.run('echo alive')).output).toBe('alive');
});

test('python answers line by line', async ({ page }) => {
  const shell = await Playground.open(page);
  await shell.enter('python');
  await shell.shows(/\n>>>$/);
  await shell.type('1+1\n');
  await shell.shows(/>>> 1\+1\n2\n>>>$/);
  await shell.type('for i in range(3):\n');
  await shell.shows(/\n\.\.\.$/);
  await shell.type('    print(i * "x")\n');
  await shell.shows(/print.*\n\.\.\.$/);
  await shell.type('\n');
  await shell.shows(/\n\nx\nxx\n>>>$/);
  await shell.type('raise SystemExit(3)\n');
  expect((await shell.finished()).code).toBe(3);
});

test('what python writes is there after a reload, for another program', async ({ page }) => {
  const shell = await Playground.open(page);
  await shell.runAll('python -c \'open("hello.txt", "w").write("hi from python\\n")\'');
  await shell.saved();
  await shell.reload();
  expect((await shell.run('cat hello.txt')).output).toBe('hi from python');
  // It is in /bin by now: nothing is fetched again.
  expect((await shell.run('which python')).output).toBe('/bin/python');
});

test("python's sqlite3 keeps a database", async ({ page }) => {
  // The shell of that name is built first, and another python fetched.
  test.slow();
  await ensureProgram('sqlite3');
  await ensureProgram('python3.11');
  const shell = await Playground.open(page);
  await shell.writeFile(
    '/home/user/write.py',
    'import sqlite3\n' +
      'with sqlite3.connect("data.db") as db:\n' +
      '    db.execute("create table if not exists t (n integer, text)")\n' +
      '    db.executemany("insert into t values (?, ?)", [(i, "é" * i) for i in range(1000)])\n',
  );
  await shell.runAll('python write.py');
  await shell.saved();
  await shell.reload();
  await shell.writeFile(
    '/home/user/read.py',
    'import sqlite3\n' +
      'db = sqlite3.connect("data.db")\n' +
      'print(db.execute("select count(*), sum(n), max(length(text)) from t").fetchone())\n' +
      'print(db.execute("pragma integrity_check").fetchone())\n',
  );
  const answer = "(1000, 499500, 999)\n('ok',)";
  expect((await shell.run('python read.py')).output).toBe(answer);
  expect((await shell.run('python3.11 read.py')).output).toBe(answer);
  // The other way round.
  await shell.runAll('rm data.db', 'python3.11 write.py');
  await shell.saved();
  await shell.reload();
  expect((await shell.run('python read.py')).output).toBe(answer);
  expect((await shell.run('sqlite3 data.db "select sum(n) from t"')).output).toBe('499500');
});

test('clang makes a program that runs', async ({ page }) => {
  // It is 75 MB of WebAssembly, fetched here if it isn't on this machine yet.
  test.slow();
  await ensureProgram('clang');
  const shell = await Playground.open(page);
  await shell.writeFile(
    '/home/user/hello.c',
    '#include <stdio.h>\n' +
      '#include "greeting.h"\n' +
      'int main(int argc, char **argv) {\n' +
      '  FILE *file = fopen("greeted", "w");\n' +
      '  fprintf(file, "%d\\n", argc);\n' +
      '  fclose(file);\n' +
      '  printf(GREETING " %s\\n", argc > 1 ? argv[1] : "nobody");\n' +
      '  return 7;\n' +
      '}\n',
  );
  await shell.writeFile('/home/user/greeting.h', '#define GREETING "hello"\n');
  await shell.writeFile('/home/user/wrong.c', 'int main(void) { return none; }\n');
  await shell.enter('clang -O1 -o hello hello.c');
  await expect.poll(() => shell.lastLine(), { timeout: 200_000 }).toMatch(/^user@burrow:~\$$/);
  // What it made is kept, and is a program also for the next page.
  await shell.reload();
  expect(await shell.run('./hello world')).toMatchObject({ output: 'hello world', code: 7 });
  expect(await shell.readFile('/home/user/greeted')).toBe('2\n');
  const wrong = await shell.run('clang -c wrong.c');
  expect(wrong.code).toBe(1);
  expect(wrong.output).toContain("wrong.c:1:25: error: use of undeclared identifier 'none'");
});
