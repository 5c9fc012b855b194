import type { RawResponse, RequestSpec, Sender } from "../../core/index.js";

interface Node {
  value: string;
  createdIndex: number;
  modifiedIndex: number;
}

/**
 * An etcd in memory that has one key, `/k`. It logs each request by a short name, in order, and can hold responses back,
 * make requests fail, and get stuck with a request that is applied later.
 */
export class OneKey implements Sender {
  readonly log: string[] = [];
  node: Node | undefined;
  index = 6;
  failing: Error | undefined;
  /** The value in responses to a refresh; absent: the value of the key. */
  refreshed: string | undefined;
  mostAtOnce = 0;
  #atOnce = 0;
  #gate: Promise<void> | undefined;
  #stuck: { readonly matches: RegExp; readonly error: Error } | undefined;
  readonly #late: RequestSpec[] = [];
  readonly #waiting = new Set<() => void>();

  get value(): string | undefined {
    return this.node?.value;
  }

  async send(spec: RequestSpec, signal?: AbortSignal): Promise<RawResponse> {
    signal?.throwIfAborted();
    const name = nameOf(spec);
    this.log.push(name);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    for (const wake of this.#waiting) wake();
    try {
      await this.#gate;
      if (this.failing !== undefined) throw this.failing;
      if (this.#stuck?.matches.test(name) === true) {
        this.#late.push(spec);
        throw this.#stuck.error;
      }
      return this.#apply(spec);
    } finally {
      this.#atOnce--;
    }
  }

  /** Holds responses back until the function that it returns is called. */
  hold(): () => void {
    let open = (): void => undefined;
    this.#gate = new Promise((resolve) => {
      open = () => {
        this.#gate = undefined;
        resolve();
      };
    });
    return open;
  }

  /** From now on requests of such names get stuck: the caller gets the error, and `thaw` applies them. */
  freeze(matches: RegExp, error: Error): void {
    this.#stuck = { matches, error };
  }

  /** Applies what was stuck. Returns the statuses. */
  thaw(): readonly number[] {
    this.#stuck = undefined;
    return this.#late.splice(0).map((spec) => this.#apply(spec).status);
  }

  /** A plain write by somebody else. */
  overwrite(value: string): void {
    this.index++;
    this.node = { value, createdIndex: this.index, modifiedIndex: this.index };
  }

  /** A write by somebody else that compares first. */
  replace(value: string): void {
    this.index++;
    if (this.node !== undefined) this.node = { ...this.node, value, modifiedIndex: this.index };
  }

  expire(): void {
    this.index++;
    this.node = undefined;
  }

  /** Resolves once that many requests have come. */
  async came(count: number): Promise<void> {
    while (this.log.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  #apply(spec: RequestSpec): RawResponse {
    const query = new URLSearchParams(spec.query ?? "");
    const form = new URLSearchParams(spec.body ?? "");
    const prevIndex = query.get("prevIndex");
    const { node } = this;
    if (spec.method === "PUT" && query.get("prevExist") === "false") {
      if (node !== undefined) return this.#refusal(412, 105);
      this.overwrite(form.get("value") ?? "");
      return this.#response("create", 201, this.node);
    }
    if (node === undefined && (spec.method !== "PUT" || query.size > 0)) return this.#refusal(404, 100);
    if (prevIndex !== null && prevIndex !== String(node?.modifiedIndex)) return this.#refusal(412, 101);
    if (spec.method === "GET") return this.#response("get", 200, node);
    if (spec.method === "DELETE") {
      this.expire();
      return this.#response("delete", 200, { value: "", createdIndex: 1, modifiedIndex: this.index });
    }
    if (query.size === 0) this.overwrite(form.get("value") ?? "");
    else this.replace(form.has("refresh") ? (this.refreshed ?? node?.value ?? "") : (form.get("value") ?? ""));
    return this.#response("compareAndSwap", 200, this.node);
  }

  #response(action: string, status: number, node: Node | undefined): RawResponse {
    return { status, headers: this.#headers(), body: JSON.stringify({ action, node: { key: "/k", ...node } }) };
  }

  #refusal(status: number, errorCode: number): RawResponse {
    const body = JSON.stringify({ errorCode, message: "refused", cause: "/k", index: this.index });
    return { status, headers: this.#headers(), body };
  }

  #headers(): Record<string, string> {
    return { "content-type": "application/json", "x-etcd-index": String(this.index) };
  }
}

function nameOf({ method, query = "", body = "" }: RequestSpec): string {
  const form = new URLSearchParams(body);
  if (method === "GET") return "get";
  if (method === "DELETE") return "delete";
  if (form.has("refresh")) return "refresh";
  if (form.get("dir") === "true" || query.includes("dir=true")) return "guard";
  return `${query.includes("prevExist=false") ? "create" : "set"} ${form.get("value") ?? ""}`;
}
