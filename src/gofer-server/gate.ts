// Gate: who is let in. What needs no waiting comes first; the token is asked for before anything of
// what is served is touched.

import type { IncomingMessage } from 'node:http';
import type { GoferLog } from './log.ts';
import { isAllowedOrigin, type OriginRules } from './origin.ts';
import type { Refusal } from './refusal.ts';
import { type Auth, isSameToken, readToken, saidToken, TokenFileError } from './token.ts';

/** Where a WebSocket is opened. */
const GATE_PATH = '/';

export interface GateOptions extends OriginRules {
  readonly auth: Auth;
  readonly log: GoferLog;
}

/** The path of a request, without what may hold a secret. */
export function pathOf({ url = '' }: IncomingMessage): string {
  return url.replace(/[?#].*$/s, '');
}

export class Gate {
  readonly #options: GateOptions;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Undefined: nothing is wrong with the path or the origin. */
  checkPage(request: IncomingMessage): Refusal | undefined {
    const { origin } = request.headers;
    if (pathOf(request) !== GATE_PATH) {
      return { reason: 'path', text: `a gofer has no other path than ${GATE_PATH}` };
    }
    if (isAllowedOrigin(origin, this.#options)) return undefined;
    const said = JSON.stringify(origin).slice(1, -1);
    const text = `pages of ${said} may not connect; to let them, start the gofer with --origin`;
    return { reason: 'origin', text: `${text} ${said}` };
  }

  /** Undefined: the token is right, or none is wanted. */
  async checkToken({ headers }: IncomingMessage): Promise<Refusal | undefined> {
    const { auth, log } = this.#options;
    if (auth.kind === 'none') return undefined;
    const said = saidToken(headers);
    if (said === undefined) return refuseToken('none was sent');
    try {
      const token = await readToken(auth);
      return isSameToken(said, token) ? undefined : refuseToken('it is not the one of this server');
    } catch (error) {
      if (!(error instanceof TokenFileError)) throw error;
      log.error({ problem: error.message }, 'the token file can not be used');
      return refuseToken('the server can not use its --token-file; its log says why');
    }
  }
}

function refuseToken(why: string): Refusal {
  return { reason: 'token', text: `token refused: ${why}` };
}
