// An action that is asked for more often than it can be done.

/**
 * Runs `action`, which must not reject, one at a time. Asked for while it runs, it runs once more
 * afterwards, however often that was: what the first run saw may be too old.
 */
export function coalesce(action: () => Promise<void>): () => void {
  let isRunning = false;
  let isWanted = false;
  const request = (): void => {
    isWanted = isRunning;
    if (isRunning) return;
    isRunning = true;
    void action().finally(() => {
      isRunning = false;
      if (isWanted) request();
    });
  };
  return request;
}
