// Types of kill.mjs for the browser tests.

export interface KillCounts {
  readonly rounds: number;
  /** Everything that was synced was there. */
  readonly clean: number;
  readonly lost: number;
  /** The browser lost the database, and boot() said so. */
  readonly dataLoss: number;
  /** One of two media had nothing, or too little, and got it from the other. */
  readonly restored: number;
  /** No kernel had started in the browser after a minute: it was killed and started again. */
  readonly hung: number;
}

/** Kills a browser so often, right after something was synced, and looks what is left. */
export function killRounds(options: {
  readonly rounds: number;
  /** Of the development server. */
  readonly address: string;
  readonly seed?: number;
  /** Default: 'mirrored'. */
  readonly media?: 'mirrored' | 'indexeddb';
  /** Default: 'chromium'. */
  readonly browser?: 'chromium' | 'firefox';
  /** Gets a line a round. */
  readonly say?: (line: string) => void;
}): Promise<KillCounts>;
