// How a path beneath "/" was meant by a program that believes its working directory to be "/".

import { afterEach, beforeEach, expect, test } from 'vitest';
import { runSync } from '../../../src/lib/op.ts';
import { WorkingDirectory } from '../../../src/wasi/working-directory.ts';
import { type Actor, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

beforeEach(async () => {
  scene = await Scene.open();
  t = await scene.newActor();
  for (const path of ['/home', '/home/me', '/home/me/src', '/bin', '/src']) await t.mkdir(path);
  await t.createFile('/home/me/notes');
  await t.createFile('/notes-of-root');
});

afterEach(() => scene.close());

/** Where `path`, as wasi-libc asks for it, is looked for by a program run with `args`. */
function locate(path: string, ...args: string[]): string {
  return runSync(new WorkingDirectory('/home/me/', args, t.sys).locate(path));
}

test('what the program was given decides, whether or not it exists', () => {
  expect(locate('new', 'new')).toBe('home/me/new');
  expect(locate('new', '/new')).toBe('new');
  expect(locate('src/a', 'src')).toBe('home/me/src/a');
  expect(locate('src/a', '/src')).toBe('src/a');
  expect(locate('src/a', './src/')).toBe('home/me/src/a');
  expect(locate('out', '--output=/out')).toBe('out');
  expect(locate('out', '--output=out')).toBe('home/me/out');
});

test('a path from "/" in quotes within an argument decides too', () => {
  expect(locate('new', '-c', 'open("/new", "wb")')).toBe('new');
  expect(locate('new', '-c', "open('/new')")).toBe('new');
  expect(locate('new/a', '-c', 'import os\nos.listdir("/new")')).toBe('new/a');
  expect(locate('new', '-c', 'open("new", "wb")')).toBe('home/me/new');
  expect(locate('new', 's/"/"/;s/a/new/')).toBe('home/me/new');
  expect(locate('new', '-c', 'print("a" + "/")')).toBe('home/me/new');
});

test('of two arguments the one that says more decides', () => {
  expect(locate('src/a/b', '/src', 'src/a')).toBe('home/me/src/a/b');
  expect(locate('src/a/b', 'src', '/src/a')).toBe('src/a/b');
});

test('options and other arguments say nothing', () => {
  expect(locate('notes', '-n', 'note')).toBe('home/me/notes');
  expect(locate('srcx', '/src')).toBe('home/me/srcx');
});

test('else what exists in the working directory is meant, and then what exists in "/"', () => {
  expect(locate('notes')).toBe('home/me/notes');
  expect(locate('src/new/file')).toBe('home/me/src/new/file');
  expect(locate('bin/python')).toBe('bin/python');
});

test('what is new belongs to the working directory', () => {
  expect(locate('new')).toBe('home/me/new');
  expect(locate('new/dir')).toBe('home/me/new/dir');
});

test('the working directory by its own name is meant from "/"', () => {
  expect(locate('home/me')).toBe('home/me');
  expect(locate('home/me/notes')).toBe('home/me/notes');
});

test('"." is the working directory', () => {
  expect(locate('.')).toBe('home/me/.');
  expect(locate('.', '/')).toBe('.');
});
