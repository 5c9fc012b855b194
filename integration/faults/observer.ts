import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { KeyEvent } from "../histories/fault-history.js";

/**
 * Follows the events below a directory on one member without the SDK, to compare the SDK's watchers with. It repeats
 * what fails. It speaks the protocol that the tests run over (`ETCD2_TEST_PROTOCOL`).
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
    const isV3 = process.env["ETCD2_TEST_PROTOCOL"] === "v3";
    this.#loop = this.#follow(() => (isV3 ? this.#stream() : this.#poll()));
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

  /** @param more resolves to whether it brought events */
  async #follow(more: () => Promise<boolean>): Promise<void> {
    while (!this.#abort.signal.aborted && this.#failure === undefined) {
      if (!(await more().catch(() => false))) await sleep(50);
    }
  }

  /** One poll of v2: a body with one event. */
  async #poll(): Promise<boolean> {
    const parts: string[] = [];
    const path = `/v2/keys${this.#dir}?wait=true&recursive=true&waitIndex=${String(this.#index + 1)}`;
    const status = await this.#request({ method: "GET", path }, (part) => parts.push(part));
    const body = parts.join("");
    if (body.includes('"errorCode":401')) this.#fail();
    if (status !== 200 || body.trim() === "") return false;
    const { action, node, prevNode } = JSON.parse(body) as { action: string; node: V2Node; prevNode?: V2Node };
    const { key, value = "", modifiedIndex: index } = node;
    this.#take({ action, key, value, index, prevIndex: prevNode?.modifiedIndex });
    return true;
  }

  /** One stream of v3: lines with events, until the server ends it. */
  async #stream(): Promise<boolean> {
    const create_request = {
      key: base64(`${this.#dir}/`),
      range_end: base64(`${this.#dir}0`),
      start_revision: String(this.#index + 1),
      prev_kv: true,
    };
    let rest = "";
    await this.#request({ method: "POST", path: "/v3/watch", body: JSON.stringify({ create_request }) }, (part) => {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#takeLine(JSON.parse(line) as V3Line);
    });
    return false;
  }

  #takeLine({ result }: V3Line): void {
    if (result?.compact_revision !== undefined) this.#fail();
    for (const { type, kv, prev_kv: previous } of result?.events ?? []) {
      const [key, index] = [text(kv.key), Number(kv.mod_revision)];
      // markers of directories are not files
      if (key.endsWith("/")) continue;
      const prevIndex = previous && Number(previous.mod_revision);
      this.#take({ action: type === "DELETE" ? "delete" : "set", key, value: text(kv.value), index, prevIndex });
    }
  }

  #take(event: KeyEvent): void {
    this.#index = event.index;
    this.#events.push(event);
  }

  #fail(): void {
    this.#failure = `the history of ${this.#url} after ${String(this.#index)} was cleared`;
  }

  /** Resolves to the status when the response is complete. */
  #request(
    { method, path, body }: { readonly method: string; readonly path: string; readonly body?: string },
    onPart: (part: string) => void,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      const options = { agent: false, signal: this.#abort.signal, method };
      const request = http.request(this.#url + path, options, (response) => {
        response.setEncoding("utf8").on("data", onPart);
        response.on("error", reject);
        response.on("close", () => {
          if (response.complete) resolve(response.statusCode ?? 0);
          else reject(new Error("cut"));
        });
      });
      request.on("error", reject);
      request.end(body);
    });
  }
}

interface V2Node {
  readonly key: string;
  readonly value?: string;
  readonly modifiedIndex: number;
}

interface V3Line {
  readonly result?: {
    readonly compact_revision?: string;
    readonly events?: readonly { readonly type?: string; readonly kv: V3Key; readonly prev_kv?: V3Key }[];
  };
}

interface V3Key {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision: string;
}

function base64(plain: string): string {
  return Buffer.from(plain).toString("base64");
}

function text(encoded = ""): string {
  return Buffer.from(encoded, "base64").toString();
}
