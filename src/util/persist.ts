import type { Backoff } from "./backoff.js";
import { sleep } from "./signals.js";

/** How to go on after a failure. */
export interface Persistence {
  readonly backoff: Backoff;
  /** Whether trying again does not mend it: such an error is rejected with. */
  readonly isFinal: (error: unknown) => boolean;
  /** Told of each failure that is tried again. */
  readonly onFailure: (error: unknown) => void;
}

/** Calls until there is something other than undefined, with a pause after each failure. Rejects with the signal's reason. */
export async function persist<T>(
  signal: AbortSignal,
  { backoff, isFinal, onFailure }: Persistence,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  for (;;) {
    try {
      const found = await attempt();
      if (found !== undefined) return found;
      backoff.reset();
    } catch (error) {
      signal.throwIfAborted();
      if (isFinal(error)) throw error;
      onFailure(error);
      await sleep(backoff.next(), signal);
    }
  }
}
