// What the page says of the links to gofers, and of why one can't be had.

import type { LinkState, MountInfo } from '../../src/index.ts';
import { formatBytes } from '../ui/format.ts';
import type { StatusText } from '../ui/status-text.ts';
import type { CacheMode } from './gofer-link.ts';

/** A mount that has a link. */
export interface RemoteMount extends MountInfo {
  readonly link: LinkState;
}

export function isRemote(mount: MountInfo): mount is RemoteMount {
  return mount.link !== null;
}

/** What choosing a cache mode means, for somebody who hasn't read of them. */
export const CACHE_TEXTS: Readonly<Record<CacheMode, string>> = {
  shared: 'Others change the files, too: what is known is looked at again before each use.',
  writethrough: 'Others read the files: each change is there at once. Only this page changes them.',
  exclusive: 'Nobody else changes the files: fastest; changes are there a second later.',
  none: 'Nothing is remembered.',
};

export function describeLatency(latency: number | null): string {
  if (latency === null) return 'latency unknown';
  return latency < 10 ? `${latency.toFixed(1)} ms` : `${latency.toFixed(0)} ms`;
}

const STATES: Readonly<Record<LinkState['state'], Pick<StatusText, 'text' | 'tone'>>> = {
  connected: { text: 'connected', tone: 'good' },
  reconnecting: { text: 'reconnecting…', tone: 'busy' },
  failed: { text: 'not connected', tone: 'bad' },
};

/** The state of one link, in a word, and why. */
export function describeLink({ state, reason }: LinkState): StatusText {
  const why = reason === null ? '' : sentence(reason);
  if (state === 'connected') return { ...STATES[state], title: '' };
  const consequence =
    state === 'reconnecting'
      ? 'What needs the server waits for it.'
      : 'What needs the server fails (EIO) until it is there again.';
  return { ...STATES[state], title: `${why} ${consequence}`.trim() };
}

/** That a link was given up, for a message. */
export function describeTrouble({ path, link }: RemoteMount): string {
  const why = link.reason === null ? '' : ` ${sentence(link.reason)}`;
  return `${path} is not connected any more.${why}`;
}

/** Where locks are not what somebody expects of a cache mode. */
function describeLocks({ locks, cache }: LinkState): string[] {
  if (locks === 'file') return ['locks: whole files'];
  return locks === 'here' && cache !== 'exclusive' ? ['locks: this page only'] : [];
}

/** What has gone over a link, and what hadn't to. */
export function describeTraffic(link: LinkState): string {
  const { latency, cache, requests, requestsSaved, sentBytes, receivedBytes, reconnects } = link;
  // Where everything is looked at again, there is nothing to save.
  const asksAgain = (cache === 'shared' || cache === 'none') && requestsSaved === 0;
  const saved = asksAgain ? '' : `, ${count(requestsSaved, 'more')} saved by the cache`;
  return [
    `cache: ${cache}`,
    ...describeLocks(link),
    describeLatency(latency),
    `${count(requests, 'request')}${saved}`,
    `${formatBytes(sentBytes)} sent, ${formatBytes(receivedBytes)} received`,
    ...(reconnects > 0 ? [`reconnected ${count(reconnects, 'time')}`] : []),
  ].join(' · ');
}

function count(number: number, what: string): string {
  const plural = number === 1 || what === 'more' ? what : `${what}s`;
  return `${number.toLocaleString('en')} ${plural}`;
}

/** For the status bar: the link that is worst, and how many there are. */
export function describeLinks(mounts: readonly RemoteMount[]): StatusText {
  const [first, ...rest] = mounts;
  if (first === undefined) {
    const title = 'Connect to a folder of your machine, or another one’s, by burrowfs gofer.';
    return { text: 'Connect…', title, tone: 'plain' };
  }
  const order = ['connected', 'reconnecting', 'failed'];
  const worst = rest.reduce(
    (a, b) => (order.indexOf(b.link.state) > order.indexOf(a.link.state) ? b : a),
    first,
  );
  const { text, title, tone } = describeLink(worst.link);
  const latency =
    worst.link.state === 'connected' ? ` (${describeLatency(worst.link.latency)})` : '';
  const others = rest.length === 0 ? '' : ` and ${String(rest.length)} more`;
  return {
    text: `${worst.path}: ${text}${latency}${others}`,
    title: `${worst.source}. ${title} Click for more.`.replace('  ', ' '),
    tone,
  };
}

/** What somebody can do about a gofer that can't be had; `origin` is the page's. */
export function adviseOn(message: string, source: string, origin: string): string {
  if (/token refused/.test(message)) {
    return 'Use the whole address that burrowfs gofer, or npm start, printed last, with #token=…';
  }
  if (/^https:/.test(origin) && /^ws:/i.test(source)) {
    return 'A page of https: may only use wss: start burrowfs gofer with --tls-cert and --tls-key.';
  }
  if (/no connection|didn't answer|could not be reached/.test(message)) {
    return (
      'See whether burrowfs gofer runs there, and what it prints. If it does, it may not let ' +
      `this page in: start it with --origin ${origin}`
    );
  }
  return '';
}

/** Why a gofer can't be had; the message begins with its address, which the reader has given. */
export function withoutSource(message: string, source: string): string {
  const prefix = `${source}: `;
  return message.startsWith(prefix) ? message.slice(prefix.length) : message;
}

/** With a capital, and a full stop. */
export function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}
