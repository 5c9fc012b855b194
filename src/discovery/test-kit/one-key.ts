import { Client, KeysAPI, type RawResponse, type RequestSpec, type Sender } from "../../core/index.js";
import { createFakeEtcd, globalClock, type FakeEtcd } from "../../testing/index.js";

/**
 * A sender in front of a fake etcd, for tests about one key, `/k`. It logs each request by a short name, in order, and
 * can hold responses back, make requests fail, and get stuck with a request that is applied later.
 */
export class OneKey implements Sender {
  readonly log: string[] = [];
  /** The error that requests fail with. Absent: they do not fail. */
  failing: Error | undefined;
  /** Whether the server takes a refresh for a write of an empty value, as it does if it does not know refreshes. */
  blanksRefreshed = false;
  /** How many requests were under way at once, at most. */
  mostAtOnce = 0;
  #etcd: FakeEtcd;
  #client: Client;
  #atOnce = 0;
  #gate: Promise<void> | undefined;
  #stuck: { readonly matches: RegExp; readonly error: Error } | undefined;
  readonly #late: RequestSpec[] = [];
  readonly #waiting = new Set<() => void>();

  constructor() {
    this.#etcd = createFakeEtcd({ clock: globalClock() });
    this.#client = clientOf(this.#etcd);
  }

  /** What is stored. Absent: the key does not exist, or is a directory. */
  get value(): string | undefined {
    return this.#etcd.dump()["/k"];
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
      return await this.#client.send(this.blanksRefreshed ? withoutRefresh(spec) : spec, signal);
    } finally {
      this.#atOnce--;
    }
  }

  /** Holds requests back until the function that it returns is called. */
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

  /** Requests get through again, but those that are stuck remain so. */
  recover(): void {
    this.#stuck = undefined;
  }

  /** Applies what was stuck. Resolves to the statuses. */
  async thaw(): Promise<readonly number[]> {
    this.recover();
    const statuses: number[] = [];
    for (const spec of this.#late.splice(0)) statuses.push((await this.#client.send(spec)).status);
    return statuses;
  }

  /** A plain write by another client. */
  overwrite(value: string): void {
    this.#etcd.load({ "/k": value });
  }

  /** A conditional write by another client. */
  async replace(value: string): Promise<void> {
    await new KeysAPI(this.#client).set("/k", value, { prevExist: true });
  }

  expire(): void {
    this.#etcd.expire("/k");
  }

  /** Restores the server from a backup, in which the key has this value. */
  restore(value: string): void {
    this.#etcd = createFakeEtcd({ clock: globalClock(), keys: { "/k": value } });
    this.#client = clientOf(this.#etcd);
  }

  /** Resolves once that many requests have come. */
  async came(count: number): Promise<void> {
    while (this.log.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }
}

function clientOf({ endpoints, transport }: FakeEtcd): Client {
  return new Client({ endpoints, transport });
}

function withoutRefresh(spec: RequestSpec): RequestSpec {
  const form = new URLSearchParams(spec.body ?? "");
  if (!form.has("refresh")) return spec;
  form.delete("refresh");
  return { ...spec, body: form.toString() };
}

function nameOf({ method, query = "", body = "" }: RequestSpec): string {
  const form = new URLSearchParams(body);
  if (method === "GET") return "get";
  if (method === "DELETE") return "delete";
  if (form.has("refresh")) return "refresh";
  if (form.get("dir") === "true" || query.includes("dir=true")) return "guard";
  return `${query.includes("prevExist=false") ? "create" : "set"} ${form.get("value") ?? ""}`;
}
