// Garbage: having memory collected that nobody uses any more, where what it stands for is scarce.

const GARBAGE_SIZE = 64 << 20;

/**
 * Has the garbage of this thread collected, within a second or so. There is no way to ask for that,
 * and memory outside of the heap counts as a reason for it though nothing is written there. Takes
 * 5 to 10 ms. Returns the bytes of that memory.
 */
export function collectGarbage(): number {
  try {
    const garbage = new ArrayBuffer(GARBAGE_SIZE);
    const { byteLength } = garbage;
    // That it was asked for is enough. Chromium has this since 114.
    if ('transfer' in garbage) garbage.transfer(0);
    return byteLength;
  } catch {
    // No memory: that is a reason as well.
    return 0;
  }
}
