import { after, before, describe } from "node:test";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { Client, KeysAPI, type ClientOptions, type Exchange, type RequestSpec } from "../src/core/index.js";
import { memberCount } from "./support.js";
import { gotExchange } from "../src/http/got/got-exchange.js";
import { v3Protocol, type V3Options } from "../src/v3/index.js";

/** A cluster without the v2 API, of `ETCD2_TEST_MEMBERS` members, and clients that speak v3 to all of them. */
export interface V3Ground {
  readonly cluster: Cluster;
  /** The URL of the first member. */
  readonly endpoint: string;
  /** Keys in a namespace that no other test uses. */
  keys(options?: V3Options, client?: Partial<ClientOptions>): KeysAPI;
  client(options?: V3Options, client?: Partial<ClientOptions>): Client;
  /** Sends a request directly to the gateway, without the SDK. */
  gateway(path: string, body: unknown): Promise<Record<string, unknown>>;
}

/** Registers the tests on both formats of the gateway: that of 3.4 and that of Debian's 3.5. */
export function onBothGateways(register: (ground: V3Ground) => void, args: readonly string[] = []): void {
  for (const program of ["etcd", "etcd-3.5"] as const) {
    void describe(`on ${program} without v2${memberCount === 1 ? "" : `, ${String(memberCount)} members`}`, () => {
      let cluster: Cluster | undefined;
      const clients: Client[] = [];
      let count = 0;
      before(async () => {
        // the shortest TTL depends on the election timeout: it is 2 s with etcd's own
        cluster = await startCluster({ bin: find(program), size: memberCount, enableV2: false, args: [...args] });
      });
      after(async () => {
        await Promise.all(clients.map((client) => client.close()));
        await cluster?.stop();
      });
      const running = (): Cluster => {
        if (cluster === undefined) throw new Error("the cluster exists only while tests run");
        return cluster;
      };
      const endpoint = (): string => running().endpoints[0] ?? "";
      const client: V3Ground["client"] = (options, more) => {
        const protocol = v3Protocol({ namespace: `/test${String(++count)}`, ...options });
        // of several members one may lag behind, as in v2: a plain read may miss a write through another member
        const quorumReads = memberCount > 1;
        const made = new Client({ endpoints: running().endpoints, quorumReads, protocol, ...more });
        clients.push(made);
        return made;
      };
      register({
        get cluster() {
          return running();
        },
        get endpoint() {
          return endpoint();
        },
        client,
        keys: (options, more) => new KeysAPI(client(options, more)),
        gateway: async (path, body) => {
          const response = await fetch(endpoint() + path, { method: "POST", body: JSON.stringify(body) });
          return (await response.json()) as Record<string, unknown>;
        },
      });
    });
  }
}

/** A transport that counts the watch streams it opens. */
export function counting(): { readonly transport: Exchange; readonly streams: () => number } {
  const inner = gotExchange({});
  let streams = 0;
  const transport = Object.assign(
    (url: URL, spec: RequestSpec, signal: AbortSignal | undefined) => {
      if (spec.path === "/v3/watch") streams++;
      return inner(url, spec, signal);
    },
    { close: () => inner.close?.() },
  );
  return { transport, streams: () => streams };
}

export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** What the v3 store holds below a namespace: keys and values as another program would read them. */
export async function storeBelow(ground: V3Ground, namespace: string): Promise<Record<string, string>> {
  const { kvs = [] } = (await ground.gateway("/v3/kv/range", {
    key: base64(`${namespace}/`),
    range_end: base64(`${namespace}0`),
  })) as { readonly kvs?: readonly { readonly key: string; readonly value?: string }[] };
  const text = (encoded = ""): string => Buffer.from(encoded, "base64").toString();
  return Object.fromEntries(kvs.map(({ key, value }) => [text(key).slice(namespace.length), text(value)]));
}
