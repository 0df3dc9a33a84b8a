// Listening, with an error that says what is in the way.

import type { AddressInfo, Server } from 'node:net';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Nobody can connect there. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  /** Node's, such as EADDRINUSE. */
  readonly code: string;
  readonly address: ListenAddress;

  constructor(code: string, address: ListenAddress) {
    super(`can't listen on ${address.host}, port ${address.port}: ${code}`);
    this.code = code;
    this.address = address;
  }
}

/** Returns the port. Errors: ListenError. */
export function listen(server: Server, address: ListenAddress): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      reject(new ListenError(error.code ?? error.message, address));
    };
    server.once('error', onError);
    server.listen({ ...address, exclusive: true }, () => {
      server.off('error', onError);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
