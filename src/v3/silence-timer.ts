const stepMs = 250;

/**
 * Calls `onSilence` after so many ms in which this process was able to listen. A process that is busy, or was stopped, has not
 * read what arrived meanwhile: that time does not count. Does not keep the process alive. `Infinity`: never.
 *
 * @returns a function that stops it
 */
export function whenSilent(ms: number, onSilence: () => void): () => void {
  if (ms === Infinity) return () => undefined;
  let leftMs = ms;
  let timer: NodeJS.Timeout | undefined;
  const tick = (): void => {
    const thisMs = Math.min(stepMs, leftMs);
    timer = setTimeout(() => {
      // late or not: between two ticks the process has read what there was
      leftMs -= thisMs;
      if (leftMs > 0) tick();
      else onSilence();
    }, thisMs);
    timer.unref();
  };
  tick();
  return () => {
    clearTimeout(timer);
  };
}
