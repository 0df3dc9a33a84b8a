// A handler for each message that a server serves, by name. Tversion and Tflush are the
// connection's and the session's; what carries a descriptor beside it (Tlconnect, Tchannel) isn't
// served.

import type { Op } from '../lib/op.ts';
import type { FieldTable, StructValues } from '../lib/wire.ts';
import type { MessageName } from './messages.ts';
import { ATTRIBUTE_HANDLERS } from './server-attributes.ts';
import { LOCK_HANDLERS } from './server-locks.ts';
import { NAME_HANDLERS } from './server-names.ts';
import { OPEN_HANDLERS } from './server-open.ts';
import type { Request } from './server-request.ts';
import { WALK_HANDLERS } from './server-walk.ts';
import { XATTR_HANDLERS } from './server-xattrs.ts';

const HANDLERS = {
  ...WALK_HANDLERS,
  ...ATTRIBUTE_HANDLERS,
  ...OPEN_HANDLERS,
  ...NAME_HANDLERS,
  ...XATTR_HANDLERS,
  ...LOCK_HANDLERS,
};

export type Values = StructValues<FieldTable>;
export type AnyHandler = (request: Request, values: Values) => Op<Values>;

/** Undefined for what isn't served. Its values are those of the message's tables. */
export function handlerOf(name: MessageName): AnyHandler | undefined {
  return (HANDLERS as unknown as Partial<Record<MessageName, AnyHandler>>)[name];
}
