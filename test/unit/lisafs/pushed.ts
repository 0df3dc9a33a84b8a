// What a server has told a client unasked.

import { MESSAGES, type RequestOf } from '../../../src/lisafs/messages.ts';
import type { RawClient } from './raw-client.ts';

export type InvalidatedFile = RequestOf<'Invalidate'>['files'][number];
export type WatchEvent = RequestOf<'Event'>['events'][number];

function requestsOf<Name extends 'Invalidate' | 'Event'>(
  client: RawClient,
  name: Name,
): RequestOf<Name>[] {
  const { mid, request } = MESSAGES[name];
  const frames = client.replies.filter((frame) => frame.tag === 0 && frame.mid === mid);
  return frames.map(({ payload }) => request.decode(payload) as RequestOf<Name>);
}

export function invalidatedBy(client: RawClient): InvalidatedFile[] {
  return requestsOf(client, 'Invalidate').flatMap(({ files }) => files);
}

export function eventsOf(client: RawClient): WatchEvent[] {
  return requestsOf(client, 'Event').flatMap(({ events }) => events);
}

export function overflowsOf(client: RawClient): number {
  return client.replies.filter(({ mid }) => mid === MESSAGES.Overflow.mid).length;
}
