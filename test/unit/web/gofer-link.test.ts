// Gofers on the page: the link in its address, and what is said of links.

import { describe, expect, test } from 'vitest';
import type { LinkState } from '../../../src/index.ts';
import { readGoferLink, splitSource, writeGoferLink } from '../../../web/remote/gofer-link.ts';
import {
  adviseOn,
  describeLatency,
  describeLink,
  describeLinks,
  describeTraffic,
  type RemoteMount,
  sentence,
  withoutSource,
} from '../../../web/remote/link-text.ts';

const PAGE = 'http://localhost:5173/';
const GOFER = 'ws://127.0.0.1:5640/';

describe('an address that asks for a gofer', () => {
  test.each([
    ['as npm start prints it', `?gofer=${GOFER}#token=a%20b`],
    ['with all of it encoded', `?gofer=${encodeURIComponent(`${GOFER}#token=a%20b`)}`],
    ['the outer token first', `?gofer=${encodeURIComponent(`${GOFER}#token=old`)}#token=a%20b`],
  ])('%s', (_, query) => {
    const request = { source: GOFER, token: 'a b', path: '/remote', cache: 'shared' };
    expect(readGoferLink(`${PAGE}${query}`)).toEqual(request);
  });

  test('with a mount point and a cache mode', () => {
    expect(readGoferLink(`${PAGE}?gofer=wss://h/&at=/mnt/x&cache=exclusive`)).toEqual({
      source: 'wss://h/',
      token: '',
      path: '/mnt/x',
      cache: 'exclusive',
    });
  });

  test('others ask for none', () => {
    expect(readGoferLink(`${PAGE}?source=one#token=x`)).toBeNull();
    expect(readGoferLink(`${PAGE}?gofer=`)).toBeNull();
  });

  test('is written without the token, with what else is in it, and reads as the same', () => {
    const request = { source: GOFER, path: '/mnt/x', cache: 'exclusive' };
    const written = writeGoferLink(`${PAGE}?source=one&gofer=old#token=secret`, request);
    expect(written).not.toContain('secret');
    expect(new URL(written).searchParams.get('source')).toBe('one');
    expect(readGoferLink(written)).toEqual({ ...request, token: '' });
    expect(writeGoferLink(written, null)).toBe(`${PAGE}?source=one`);
  });

  test('what is behind # and no token stays, to be told', () => {
    expect(splitSource(` ${GOFER}#secret `)).toEqual({ source: `${GOFER}#secret`, token: '' });
    expect(splitSource(`${GOFER}#token=%zz`)).toEqual({ source: GOFER, token: '%zz' });
  });
});

const LINK: LinkState = {
  state: 'connected',
  reason: null,
  latency: 0.44,
  cache: 'shared',
  locks: 'server',
  requests: 1234,
  requestsSaved: 1,
  sentBytes: 999,
  receivedBytes: 3_200_000,
  reconnects: 0,
};

function mount(path: string, link: Partial<LinkState>): RemoteMount {
  return {
    path,
    type: 'gofer',
    source: GOFER,
    readOnly: false,
    snapshot: null,
    commit: null,
    holder: null,
    link: { ...LINK, ...link },
  };
}

const BROKEN = { state: 'reconnecting', reason: 'the connection broke' } as const;
const REFUSED = { state: 'failed', reason: 'token refused: it is wrong' } as const;

test.each([
  [[], 'Connect…', 'plain'],
  [[mount('/remote', {})], '/remote: connected (0.4 ms)', 'good'],
  [[mount('/remote', BROKEN)], '/remote: reconnecting…', 'busy'],
  [[mount('/a', {}), mount('/b', REFUSED)], '/b: not connected and 1 more', 'bad'],
  [[mount('/a', BROKEN), mount('/b', {}), mount('/c', {})], '/a: reconnecting… and 2 more', 'busy'],
] as const)('the status bar of %#: %s', (mounts, text, tone) => {
  expect(describeLinks(mounts)).toMatchObject({ text, tone });
});

test('why a link is not there is said with what follows from it', () => {
  expect(describeLink({ ...LINK, ...BROKEN }).title).toBe(
    'The connection broke. What needs the server waits for it.',
  );
  expect(describeLink({ ...LINK, ...REFUSED }).title).toBe(
    'Token refused: it is wrong. What needs the server fails (EIO) until it is there again.',
  );
});

test('what has gone over a link', () => {
  expect(describeTraffic(LINK)).toBe(
    'cache: shared · 0.4 ms · 1,234 requests, 1 more saved by the cache · ' +
      '999 bytes sent, 3.2 MB received',
  );
  const unsaved = { ...LINK, requestsSaved: 0 };
  expect(describeTraffic(unsaved)).toContain('1,234 requests · ');
  expect(describeTraffic({ ...unsaved, cache: 'exclusive' })).toContain('requests, 0 more saved');
  expect(describeTraffic({ ...LINK, locks: 'file' })).toContain('shared · locks: whole files · ');
  expect(describeTraffic({ ...LINK, locks: 'here' })).toContain(' · locks: this page only · ');
  const alone = { ...LINK, cache: 'exclusive', locks: 'here' } as const;
  expect(describeTraffic(alone)).not.toContain('locks');
  expect(describeTraffic({ ...LINK, reconnects: 2 })).toContain(' · reconnected 2 times');
  expect([describeLatency(null), describeLatency(104.4)]).toEqual(['latency unknown', '104 ms']);
});

test.each([
  ['token refused: none was sent', GOFER, PAGE, /whole address/],
  [
    `no connection to ${GOFER}`,
    GOFER,
    'http://localhost:5173',
    /--origin http:\/\/localhost:5173$/,
  ],
  [`no connection to ${GOFER}`, GOFER, 'https://play.example', /only use wss:/],
  ['not the address of a gofer: it is no URL', 'x', PAGE, /^$/],
])('advice on "%s" (%s, %s)', (message, source, origin, advice) => {
  expect(adviseOn(message, source, origin)).toMatch(advice);
});

test('the address is not repeated to whoever has given it', () => {
  expect(withoutSource(`${GOFER}: token refused`, GOFER)).toBe('token refused');
  expect(withoutSource('no such file', '')).toBe('no such file');
});

test('a sentence', () => {
  expect([sentence('it broke'), sentence('Why?')]).toEqual(['It broke.', 'Why?']);
});
