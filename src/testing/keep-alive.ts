// Saved at import: a test may mock timers later.
const { setInterval: startTimer, clearInterval: stopTimer } = globalThis;

let holders = 0;
let timer: NodeJS.Timeout | undefined;

/**
 * Keeps the process alive, as a socket with an open request would.
 *
 * @returns a function that ends it; idempotent
 */
export function keepAlive(): () => void {
  holders++;
  timer ??= startTimer(() => undefined, longestMs);
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    if (--holders > 0) return;
    stopTimer(timer);
    timer = undefined;
  };
}

const longestMs = 2 ** 31 - 1;
