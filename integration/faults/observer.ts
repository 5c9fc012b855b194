import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { KeyEvent } from "../histories/fault-history.js";

/**
 * Follows the events below a directory on one member, without the SDK, so that there is something to hold the SDK's
 * watchers against. It repeats what fails.
 */
export class Observer {
  readonly #url: string;
  readonly #dir: string;
  readonly #events: KeyEvent[] = [];
  readonly #abort = new AbortController();
  readonly #loop: Promise<void>;
  #index: number;
  #failure: string | undefined;

  constructor(url: string, dir: string, afterIndex: number) {
    this.#url = url;
    this.#dir = dir;
    this.#index = afterIndex;
    this.#loop = this.#follow();
  }

  get events(): readonly KeyEvent[] {
    return [...this.#events];
  }

  /** Why it failed. */
  get failure(): string | undefined {
    return this.#failure;
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#loop;
  }

  async #follow(): Promise<void> {
    while (!this.#abort.signal.aborted && this.#failure === undefined) {
      const answer = await this.#poll().catch(() => undefined);
      if (answer?.status === 200 && answer.body.trim() !== "") this.#take(answer.body);
      else if (answer?.body.includes('"errorCode":401') === true)
        this.#failure = `the history of ${this.#url} after ${String(this.#index)} was cleared`;
      else await sleep(50);
    }
  }

  #take(body: string): void {
    const { action, node, prevNode } = JSON.parse(body) as { action: string; node: RawNode; prevNode?: RawNode };
    this.#index = node.modifiedIndex;
    this.#events.push({
      action,
      key: node.key,
      value: node.value ?? "",
      index: node.modifiedIndex,
      prevIndex: prevNode?.modifiedIndex,
    });
  }

  #poll(): Promise<{ readonly status: number; readonly body: string }> {
    const url = `${this.#url}/v2/keys${this.#dir}?wait=true&recursive=true&waitIndex=${String(this.#index + 1)}`;
    return new Promise((resolve, reject) => {
      const request = http.get(url, { agent: false, signal: this.#abort.signal }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("close", () => {
          if (response.complete) resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
          else reject(new Error("cut"));
        });
      });
      request.on("error", reject);
    });
  }
}

interface RawNode {
  readonly key: string;
  readonly value?: string;
  readonly modifiedIndex: number;
}
