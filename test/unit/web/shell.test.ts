// The shell, run on a fake filesystem and fake programs.

import { beforeEach, describe, expect, test } from 'vitest';
import { isSimilar } from '../../../web/shell/command-lookup.ts';
import { applyMode } from '../../../web/shell/mode.ts';
import { Shell, isIncomplete } from '../../../web/shell/shell.ts';
import { FakeHost } from './fake-host.ts';

let host: FakeHost;
let shell: Shell;

beforeEach(async () => {
  host = new FakeHost();
  await host.fs.fill({
    '/home/user/a.txt': 'alpha\n',
    '/home/user/b.txt': 'beta\n',
    '/home/user/dir/': '',
    '/home/user/plain': 'no program',
  });
  await host.addAllPrograms();
  shell = new Shell(host, '/home/user', { HOME: '/home/user', PATH: '/bin' });
});

/** What a line shows on the terminal. */
async function run(line: string): Promise<string> {
  host.screen = '';
  await shell.run(line);
  return host.screen;
}

function read(path: string): Promise<string> {
  return host.fs.readFile(path, 'utf8');
}

describe('programs', () => {
  test('get their arguments as the shell expands them', async () => {
    expect(await run(`args 'a b' "c" *.txt $HOME`)).toBe(
      '[args][a b][c][a.txt][b.txt][/home/user]\n',
    );
  });

  test('get the exported variables and the working directory', async () => {
    await run('A=1; export B=2; C=3');
    const text = await run('C=4 env');
    expect(text).not.toContain('A=1');
    expect(text).toContain('B=2\n');
    expect(text).toContain('C=4\n');
    expect(text).toContain('PWD=/home/user\n');
    expect(text).toContain('COLUMNS=80\n');
    expect(await run('args $A $C')).toBe('[args][1][3]\n');
  });

  test('read what is typed', async () => {
    host.typed = 'typed\n';
    expect(await run('cat')).toBe('typed\n');
  });

  test('are found by their path', async () => {
    expect(await run('/bin/args x')).toBe('[/bin/args][x]\n');
    expect(await run('cd /bin; ./args x')).toBe('[./args][x]\n');
  });

  test('leave their exit code', async () => {
    await run('fail 7');
    expect(shell.state.status).toBe(7);
    expect(await run('fail 7; args $?')).toBe('[args][7]\n');
  });

  test('that trap say why', async () => {
    expect(await run('trap')).toBe('trap: the program trapped: unreachable\n');
    expect(shell.state.status).toBe(134);
  });

  test('that are not there give 127 and a hint', async () => {
    expect(await run('nosuch')).toBe(
      'nosuch: command not found (type “programs” to see what there is)\n',
    );
    expect(shell.state.status).toBe(127);
    expect(await run('agrs')).toBe('agrs: command not found (did you mean “args”?)\n');
    expect(await run('./nosuch')).toBe('./nosuch: no such file or directory\n');
    expect(shell.state.status).toBe(127);
  });

  test('that can’t be run give 126', async () => {
    expect(await run('./plain')).toBe(
      './plain: permission denied (run “chmod +x ./plain” if it is a program)\n',
    );
    expect(shell.state.status).toBe(126);
    expect(await run('./dir')).toBe('./dir: is a directory\n');
    expect(shell.state.status).toBe(126);
    await host.fs.writeFile('/bin/text', 'x', { mode: 0o755 });
    expect(await run('text')).toBe('text: exec format error\n');
    expect(shell.state.status).toBe(126);
  });

  test('are installed when they are first used', async () => {
    await host.fs.unlink('/bin/cat');
    host.available.set('cat', { name: 'cat', args: [] });
    expect(await run('cat < a.txt')).toBe('alpha\n');
    expect(await run('cat < b.txt')).toBe('beta\n');
    expect(host.installed).toEqual(['cat']);
  });

  test('that can’t be installed say why', async () => {
    host.available.set('remote', { name: 'remote', args: [] });
    expect(await run('remote')).toBe('remote: could not be downloaded: no network\n');
    expect(shell.state.status).toBe(126);
  });

  test('get the arguments of the manifest first', async () => {
    host.available.set('args', { name: 'args', args: ['-q'] });
    expect(await run('args x')).toBe('[args][-q][x]\n');
  });
});

describe('lists', () => {
  test.each([
    ['fail && args x', ''],
    ['fail || args x', '[args][x]\n'],
    ['fail 0 && args x', '[args][x]\n'],
    ['fail 0 || args x', ''],
    ['fail && args x || args y', '[args][y]\n'],
    ['fail 0 || args x && args y', '[args][y]\n'],
    ['fail; args x', '[args][x]\n'],
    ['args x\nargs y', '[args][x]\n[args][y]\n'],
    ['A=1 && args $A', '[args][1]\n'],
  ])('%j', async (line, expected) => {
    expect(await run(line)).toBe(expected);
  });

  test('a mistake in the line runs nothing', async () => {
    expect(await run('args x; | y')).toBe('a command is missing before “|”\n');
    expect(shell.state.status).toBe(2);
  });
});

describe('redirections', () => {
  test('read and write files', async () => {
    expect(await run('cat < a.txt > c.txt; cat < b.txt >> c.txt; cat < c.txt')).toBe(
      'alpha\nbeta\n',
    );
    await run('cat < b.txt > c.txt');
    expect(await read('/home/user/c.txt')).toBe('beta\n');
  });

  test('take errors apart and together', async () => {
    expect(await run('both > out')).toBe('err\n');
    expect(await run('both 2> err')).toBe('out\n');
    expect(await run('both > out 2> err')).toBe('');
    expect([await read('/home/user/out'), await read('/home/user/err')]).toEqual([
      'out\n',
      'err\n',
    ]);
    await run('both > joined 2>&1');
    expect(await read('/home/user/joined')).toBe('out\nerr\n');
    await run('both &> joined');
    expect(await read('/home/user/joined')).toBe('out\nerr\n');
    await run('both &>> joined');
    expect(await read('/home/user/joined')).toBe('out\nerr\nout\nerr\n');
  });

  test('are applied from left to right', async () => {
    expect(await run('both 2>&1 > out')).toBe('err\n');
    expect(await read('/home/user/out')).toBe('out\n');
    await run('both > first > second');
    expect(await read('/home/user/first')).toBe('');
    expect(await read('/home/user/second')).toBe('out\n');
  });

  test('without a command make the file', async () => {
    expect(await run('> new')).toBe('');
    expect(await read('/home/user/new')).toBe('');
  });

  test('expand their file names', async () => {
    await run('NAME="a file"; args x > "$NAME"');
    expect(await read('/home/user/a file')).toBe('[args][x]\n');
    expect(await run('args x > *.txt')).toBe('*.txt: ambiguous redirection\n');
    expect(shell.state.status).toBe(1);
  });

  test('that fail run nothing and say why', async () => {
    expect(await run('args x < nosuch')).toBe('nosuch: no such file or directory\n');
    expect(await run('args x > dir')).toBe('dir: illegal operation on a directory\n');
    expect(await run('args x > nosuch/file')).toBe('nosuch/file: no such file or directory\n');
    expect(shell.state.status).toBe(1);
  });

  test('work for commands of the shell, and for its own messages', async () => {
    await run('pwd > out; pwd >> out');
    expect(await read('/home/user/out')).toBe('/home/user\n/home/user\n');
    expect(await run('nosuch 2> err; cd nosuch 2>> err')).toBe('');
    expect(await read('/home/user/err')).toContain('nosuch: command not found');
    expect(await read('/home/user/err')).toContain('cd: nosuch: no such file or directory');
  });
});

describe('pipelines', () => {
  test('connect output and input', async () => {
    expect(await run('args x | cat | cat')).toBe('[args][x]\n');
    expect(await run('pwd | cat')).toBe('/home/user\n');
    expect(await run('both | cat > out')).toBe('err\n');
    expect(await read('/home/user/out')).toBe('out\n');
  });

  test('take the errors too with |&', async () => {
    await run('both |& cat > out');
    expect((await read('/home/user/out')).split('\n').sort()).toEqual(['', 'err', 'out']);
    expect(await run('nosuch |& cat > out')).toBe('');
    expect(await read('/home/user/out')).toContain('command not found');
  });

  test('have the exit code of the last command', async () => {
    await run('fail 3 | args');
    expect(shell.state.status).toBe(0);
    await run('args | fail 3');
    expect(shell.state.status).toBe(3);
  });

  test('end when the reader ends', async () => {
    expect(await run('yes | head')).toBe('');
    expect(await run('yes | pwd')).toBe('/home/user\n');
    expect(await run('yes | nosuch')).toContain('command not found');
    expect(await run('yes | cat < a.txt')).toBe('alpha\n');
  });

  test('give an empty input after a command that is not there', async () => {
    expect(await run('nosuch 2> err | cat')).toBe('');
    expect(await run('args x > out | cat')).toBe('');
  });

  test('forget what their commands change', async () => {
    await run('cd dir | cat');
    expect(shell.state.cwd).toBe('/home/user');
    await run('exit 3 | cat');
    expect(shell.state.exitCode).toBeNull();
  });
});

describe('commands of the shell', () => {
  test('cd and pwd', async () => {
    expect(await run('cd dir && pwd')).toBe('/home/user/dir\n');
    expect(await run('cd - && pwd')).toBe('/home/user\n/home/user\n');
    expect(await run('cd ..; cd /bin/../home; pwd')).toBe('/home\n');
    expect(await run('cd && pwd')).toBe('/home/user\n');
    expect(await run('cd nosuch')).toBe('cd: nosuch: no such file or directory\n');
    expect(await run('cd a.txt')).toBe('cd: a.txt: not a directory\n');
    expect(await run('cd a b')).toBe('cd: too many arguments\n');
    expect(await run('cd dir; args $PWD $OLDPWD')).toBe('[args][/home/user/dir][/home/user]\n');
  });

  test('export and unset', async () => {
    expect(await run("export A='x y' B; export")).toContain("export A='x y'\n");
    expect(await run('export')).not.toContain('export B');
    await run('B=1; unset A');
    expect(await run('export')).toContain('export B=1\n');
    expect(await run('args "$A"')).toBe('[args][]\n');
    expect(await run('export 1=2')).toBe('export: “1=2” is not a name\n');
    expect(await run('unset 1')).toBe('unset: “1” is not a name\n');
  });

  test('a variable before a command of the shell is set only for it', async () => {
    expect(await run('HOME=/bin cd && pwd && args $HOME')).toBe('/bin\n[args][/home/user]\n');
  });

  test('which and type', async () => {
    expect(await run('which cat')).toBe('/bin/cat\n');
    expect(await run('type cat')).toBe('cat is /bin/cat\n');
    expect(await run('type cd')).toBe('cd is a command of the shell\n');
    host.available.set('remote', { name: 'remote', args: [] });
    expect(await run('which remote')).toBe(
      'remote is available: its first use downloads it into /bin\n',
    );
    await run('which nosuch');
    expect(shell.state.status).toBe(1);
  });

  test('history, clear, help and programs', async () => {
    host.lines.push('one', 'two', 'three');
    expect(await run('history 2')).toBe('    2  two\n    3  three\n');
    expect(await run('history -c; history')).toBe('');
    expect(await run('args x; clear')).toBe('');
    expect(await run('help')).toContain('cd [directory | -]');
    expect(await run('programs')).toBe('programs\n');
  });

  test('echo, true and false stand in for programs that are not there', async () => {
    expect(await run('echo -n a "b  c"; echo; true && false || echo no')).toBe('a b  c\nno\n');
    await host.addProgram('echo');
    expect(await run('echo x')).toBe('echo: exec format error\n');
  });

  test('chmod and touch stand in as well', async () => {
    expect(await run('touch new && chmod +x,go-r new')).toBe('');
    expect((await host.fs.stat('/home/user/new')).mode & 0o777).toBe(0o711);
    const { mtimeNs } = await host.fs.stat('/home/user/new');
    await run('touch new');
    expect((await host.fs.stat('/home/user/new')).mtimeNs).toBeGreaterThan(mtimeNs);
    expect(await run('chmod u+q new')).toBe('chmod: new: “u+q” is not a mode\n');
    expect(await run('chmod 755 nosuch')).toBe('chmod: nosuch: no such file or directory\n');
    expect(await run('touch no/such')).toBe('touch: no/such: no such file or directory\n');
    expect(shell.state.status).toBe(1);
  });

  test('exit ends the shell', async () => {
    expect(await run('exit 3; args x')).toBe('');
    expect(shell.state.exitCode).toBe(3);
  });

  test('exit without a number keeps the last exit code', async () => {
    await run('fail 4; exit');
    expect(shell.state.exitCode).toBe(4);
    shell.state.exitCode = null;
    expect(await run('exit x')).toBe('exit: x: not a number\n');
    expect(shell.state.exitCode).toBeNull();
  });
});

describe('interrupting', () => {
  test('ends the program and the rest of the line', async () => {
    const running = shell.run('forever; args x');
    await new Promise((resolve) => setTimeout(resolve));
    await shell.interrupt();
    await running;
    expect(host.screen).toBe('');
    expect(shell.state.status).toBe(130);
    expect(await run('args y')).toBe('[args][y]\n');
  });

  test('ends all programs of a pipeline', async () => {
    const running = shell.run('forever | forever');
    await new Promise((resolve) => setTimeout(resolve));
    await shell.interrupt();
    await running;
    expect(shell.state.status).toBe(130);
  });

  test('does nothing when nothing runs', async () => {
    await shell.interrupt();
    expect(await run('args x')).toBe('[args][x]\n');
  });
});

test.each([
  ["echo 'a", true],
  ['echo a |', true],
  ['echo a', false],
  ['echo | | a', false],
])('%j is incomplete: %s', (source, expected) => {
  expect(isIncomplete(source)).toBe(expected);
});

test.each([
  ['pyhton', 'python', true],
  ['pythn', 'python', true],
  ['pythonn', 'python', true],
  ['pythom', 'python', true],
  ['ls', 'rm', false],
  ['l', 'ls', false],
  ['ruby', 'python', false],
])('%j is like %j: %s', (a, b, expected) => {
  expect(isSimilar(a, b)).toBe(expected);
});

test.each([
  ['755', 0o644, 0o755],
  ['4711', 0o644, 0o4711],
  ['+x', 0o644, 0o755],
  ['u+x', 0o644, 0o744],
  ['go-rwx', 0o755, 0o700],
  ['a=r', 0o755, 0o444],
  ['u=rw,go=', 0o755, 0o600],
  ['ug+s', 0o755, 0o6755],
  ['+t', 0o777, 0o1777],
  ['a+X', 0o644, 0o644],
  ['a+X', 0o744, 0o755],
  ['-', 0o644, 0o644],
])('the mode %j makes %o to %o', (text, before, after) => {
  expect(applyMode(text, 0o100000 | before, false)).toBe(after);
});

test.each(['', '8', '12345', 'x', 'u', 'u+q', 'u+x,'])('%j is no mode', (text) => {
  expect(applyMode(text, 0o644, false)).toBeUndefined();
});

test('X makes a directory open to all', () => {
  expect(applyMode('a+X', 0o600, true)).toBe(0o711);
});
