// The address of a gofer: what is taken out of it, what is wrong with it, and how the token goes.

import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  BEARER_PREFIX,
  GoferUrlError,
  parseGoferUrl,
  printGoferUrl,
  problemsOfToken,
  protocolsFor,
  TOKEN_SIZE_MAX,
} from '../../../src/transport/gofer-url.ts';
import { ConnectError, connectWebSocket } from '../../../src/transport/web-socket.ts';
import { clock, listen, SIZE_MAX, SocketOfWs, type TestServer } from './support.ts';

describe('parseGoferUrl()', () => {
  test.each([
    ['ws://127.0.0.1:5640/#token=abc', 'ws://127.0.0.1:5640/', 'abc'],
    ['  wss://host#token=a%20b+c\n', 'wss://host/', 'a b+c'],
    ['http://[::1]:5640/', 'ws://[::1]:5640/', undefined],
    ['https://host:8443/way?a=b#token=x', 'wss://host:8443/way?a=b', 'x'],
    ['ws://host/#', 'ws://host/', undefined],
  ])('%j', (source, url, token) => {
    expect(parseGoferUrl(source)).toEqual({ url, token });
  });

  test.each<[source: string, problems: RegExp[]]>([
    ['', [/no URL/]],
    ['127.0.0.1:5640', [/no URL/]],
    ['ftp://host/#token=secret', [/begins with ftp:/]],
    ['ws://me:secret@host/', [/user or a password/]],
    ['ws://host/?token=secret', [/behind #, not behind \?/]],
    ['ws://host/#secret', [/does not begin with token=/]],
    ['ws://host/#token=', [/token is empty/]],
    ['ws://host/#token=%ff', [/% that begins no character/]],
    ['ws://host/#token=a%00secret', [/control character/]],
    ['mailto:a?token=secret#b', [/mailto:/, /behind \?/, /does not begin/]],
  ])('EINVAL for %j, and the token is not said', (source, problems) => {
    let error: unknown;
    try {
      parseGoferUrl(source);
    } catch (problem) {
      error = problem;
    }
    expect(error).toBeInstanceOf(GoferUrlError);
    const { error: linuxError, problems: found, message } = error as GoferUrlError;
    expect(linuxError).toBe(linuxerr.EINVAL);
    expect(found).toHaveLength(problems.length);
    for (const [index, problem] of problems.entries()) expect(found[index]).toMatch(problem);
    expect(message).not.toContain('secret');
  });

  test('what is printed is read again, whatever the token is', () => {
    const tokens = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(tokens, (token) => {
        fc.pre(problemsOfToken(token).length === 0);
        const address = { url: 'ws://127.0.0.1:5640/', token };
        expect(parseGoferUrl(printGoferUrl(address))).toEqual(address);
      }),
      { seed: 5640, numRuns: 300 },
    );
  });
});

describe('tokens', () => {
  test('have at most 1 KiB, and are text', () => {
    expect(problemsOfToken('ü'.repeat(TOKEN_SIZE_MAX / 2))).toEqual([]);
    expect(problemsOfToken(`${'ü'.repeat(TOKEN_SIZE_MAX / 2)}x`)).toHaveLength(1);
    expect(problemsOfToken('a\nb')).toHaveLength(1);
    expect(problemsOfToken('\ud800')).toHaveLength(1);
  });

  test('are a subprotocol, as base64url of their UTF-8', () => {
    expect(protocolsFor(undefined)).toEqual([]);
    expect(protocolsFor('ÿþ?~')).toEqual([`${BEARER_PREFIX}w7_Dvj9-`]);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (token) => {
        const [protocol = ''] = protocolsFor(token);
        expect(protocol).toMatch(/^burrowfs\.bearer\.[\w-]+$/);
        const bytes = Buffer.from(protocol.slice(BEARER_PREFIX.length), 'base64url');
        expect(bytes.toString('utf8')).toBe(token.toWellFormed());
      }),
      { seed: 5640, numRuns: 300 },
    );
  });
});

describe('extra protocols', () => {
  let server: TestServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });
  const connect = ({ url }: TestServer) =>
    connectWebSocket(url, {
      clock,
      messageSizeMax: SIZE_MAX,
      timeoutMs: 5000,
      protocols: ['lisafs'],
      extraProtocols: protocolsFor('abc'),
      WebSocket: SocketOfWs,
    });

  test('are offered beside ours, and ours is agreed on', async () => {
    server = await listen();
    const asked = once(server.server, 'connection') as Promise<
      [unknown, { headers: Record<string, string> }]
    >;
    expect((await connect(server)).protocol).toBe('lisafs');
    const [, { headers }] = await asked;
    const [bearer = ''] = protocolsFor('abc');
    expect(headers['sec-websocket-protocol']).toBe(`lisafs,${bearer}`);
  });

  test('EPROTONOSUPPORT if the server agrees on one of them', async () => {
    server = await listen({ protocols: protocolsFor('abc') });
    const error: unknown = await connect(server).catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(ConnectError);
    expect((error as ConnectError).error).toBe(linuxerr.EPROTONOSUPPORT);
  });
});
