// Types of tabs.mjs for the browser tests.

import type { BrowserContext } from 'playwright/test';

/** Has tabs work on one store, and closes the one that holds it so often. */
export function stressTabs(options: {
  readonly context: BrowserContext;
  /** Of the development server. */
  readonly address: string;
  readonly operations: number;
  readonly kills: number;
  readonly tabs: number;
  readonly seed: number;
  /** Gets a line a kill. */
  readonly say: (line: string) => void;
}): Promise<{ readonly done: number; readonly wrong: readonly string[] }>;
