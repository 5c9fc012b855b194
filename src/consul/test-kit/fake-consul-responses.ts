import type { ConsulReply } from "./consul-front.js";

/** A response. If it has an index, the query may block. */
export interface FakeResponse extends ConsulReply {
  readonly index?: number;
}

export function json(value: unknown): FakeResponse {
  return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

export function failed(status: number, body: string): FakeResponse {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body };
}

export function answered({ status, headers, body, index }: FakeResponse): ConsulReply {
  return { status, headers: { ...headers, ...(index !== undefined && { "x-consul-index": String(index) }) }, body };
}

/** Consul's index and the queries that wait for it. */
export class ChangeLog {
  readonly #waiting = new Set<() => void>();
  #index = 10;

  get index(): number {
    return this.#index;
  }

  /** Records one more change. */
  advance(): number {
    this.#index++;
    // waiting queries look once the change is done
    setImmediate(() => {
      for (const wake of this.#waiting) wake();
    });
    return this.#index;
  }

  /** Resolves at the next change, and after that many ms at the latest; rejects when aborted. */
  changed(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", stop);
        settle();
      };
      const wake = (): void => {
        end(resolve);
      };
      const stop = (): void => {
        end(() => {
          reject(signal.reason as Error);
        });
      };
      const timer = setTimeout(wake, ms);
      this.#waiting.add(wake);
      signal.addEventListener("abort", stop);
      if (signal.aborted) stop();
    });
  }
}
