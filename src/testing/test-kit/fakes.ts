import { Client, KeysAPI, type ClientOptions } from "../../core/index.js";
import { createFakeEtcd, startFakeEtcd } from "../fake-etcd.js";
import type { FakeEtcd } from "../fake-etcd-types.js";
import type { Fault } from "../faults.js";
import type { FakeEtcdOptions } from "../options.js";

/** The two ways to a fake: real HTTP, and its transport. */
export const ways = ["http", "transport"] as const;
export type Way = (typeof ways)[number];

/** etcd's response to wrong credentials. */
export const unauthorized: Fault = {
  kind: "status",
  status: 401,
  type: "application/json",
  body: JSON.stringify({ errorCode: 110, message: "The request requires user authentication", cause: "", index: 0 }),
};

/** A fake with a client of it; `await using` ends both. */
export interface FakeWithClient extends AsyncDisposable {
  readonly etcd: FakeEtcd;
  readonly client: Client;
  readonly keys: KeysAPI;
  /** Another client, with options of its own. */
  readonly clientWith: (options: Partial<ClientOptions>) => Client;
}

export async function fakeBy(way: Way, options?: FakeEtcdOptions): Promise<FakeWithClient> {
  const etcd = way === "http" ? await startFakeEtcd(options) : createFakeEtcd(options);
  const clients: Client[] = [];
  const clientWith = (more: Partial<ClientOptions>): Client => {
    const transport = way === "http" ? {} : { transport: etcd.transport };
    const client = new Client({ endpoints: etcd.endpoints, ...transport, ...more });
    clients.push(client);
    return client;
  };
  const client = clientWith({});
  return {
    etcd,
    client,
    keys: new KeysAPI(client),
    clientWith,
    async [Symbol.asyncDispose]() {
      for (const each of clients) await each.close();
      await etcd.close();
    },
  };
}
