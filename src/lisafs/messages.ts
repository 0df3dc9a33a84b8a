// All lisafs messages by name and by MID. Client and server look them up here; a message that isn't
// in the other side's list is answered without asking: EOPNOTSUPP.

import { assert } from '../lib/assert.ts';
import type { ValueOf } from '../lib/wire-fields.ts';
import { EXTENSION_MID_MIN, EXTENSIONS } from './extensions.ts';
import type { MessageRow } from './records.ts';
import { STANDARD_MESSAGES } from './standard-messages.ts';

export const MESSAGES = { ...STANDARD_MESSAGES, ...EXTENSIONS };

export type MessageName = keyof typeof MESSAGES;

export type RequestOf<Name extends MessageName> = ValueOf<(typeof MESSAGES)[Name]['request']>;
export type ResponseOf<Name extends MessageName> = ValueOf<(typeof MESSAGES)[Name]['response']>;

const byMid = new Map<number, MessageName>();
for (const messageName of Object.keys(MESSAGES) as MessageName[]) {
  const { mid } = MESSAGES[messageName];
  assert(!byMid.has(mid), 'two messages have the same MID');
  assert(mid >= EXTENSION_MID_MIN === messageName in EXTENSIONS, 'a MID is of the other range');
  byMid.set(mid, messageName);
}

/** Undefined for one we don't know. */
export function messageNameOf(mid: number): MessageName | undefined {
  return byMid.get(mid);
}

/** A message's row, for what is the same with all of them. */
export function messageRow(messageName: MessageName): MessageRow {
  return MESSAGES[messageName];
}
