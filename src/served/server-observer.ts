// ServerObserver: whoever counts what a server does. The server asks it nothing.

/** A request that was answered. */
export interface DoneRequest {
  /** Undefined for a message that the protocol doesn't have. */
  readonly messageName: string | undefined;
  /** 0: it succeeded. */
  readonly errno: number;
  /** From when it was read until its reply was there. */
  readonly durationMs: number;
}

export interface ServerObserver {
  onRequest(request: DoneRequest): void;
}
