// A handler for each message that a server serves, by name. What happens before and after them is
// the connection's.

import type { Op } from '../lib/op.ts';
import type { FieldTable, StructValues } from '../lib/wire.ts';
import type { MessageName } from './messages.ts';
import { CREATE_HANDLERS } from './server-create.ts';
import { DATA_HANDLERS } from './server-data.ts';
import { FILE_HANDLERS } from './server-file.ts';
import { LIST_HANDLERS } from './server-list.ts';
import { LOCK_HANDLERS } from './server-locks.ts';
import { NAME_HANDLERS } from './server-names.ts';
import { RECLAIM_HANDLERS } from './server-reclaim.ts';
import type { Request } from './server-request.ts';
import { WALK_HANDLERS } from './server-walk.ts';
import { WATCH_HANDLERS } from './server-watches.ts';

const HANDLERS = {
  ...WALK_HANDLERS,
  ...FILE_HANDLERS,
  ...DATA_HANDLERS,
  ...LIST_HANDLERS,
  ...CREATE_HANDLERS,
  ...NAME_HANDLERS,
  ...LOCK_HANDLERS,
  ...WATCH_HANDLERS,
  ...RECLAIM_HANDLERS,
};

type Values = StructValues<FieldTable>;
type AnyHandler = (request: Request, values: Values) => Op<Values>;

/** Undefined for what isn't served. Its values are those of the message's tables. */
export function handlerOf(name: MessageName): AnyHandler | undefined {
  return (HANDLERS as unknown as Partial<Record<MessageName, AnyHandler>>)[name];
}
