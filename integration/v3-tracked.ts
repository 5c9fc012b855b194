// A client over v3 whose requests a test sees, delays and loses.
import assert from "node:assert/strict";
import { ClusterError, EtcdError, type Exchange, type KeysAPI, type RequestSpec } from "../src/core/index.js";
import { gotExchange } from "../src/http/got/got-exchange.js";
import { base64, type V3Ground } from "./v3-support.js";

/** A client whose requests are seen, in a namespace of its own. */
export interface Tracked {
  readonly namespace: string;
  readonly keys: KeysAPI;
  /** Another program's writes, which this client does not know of. */
  readonly others: Others;
  /** What a call sent, one word for each request, and what it came to. */
  readonly sent: (call: Promise<unknown>) => Promise<readonly string[]>;
  /** Runs before that request of the next call is sent; 1 is the first. */
  readonly before: (request: number, run: () => Promise<unknown>) => void;
  /** Loses the response to that request of the next call, which the server has carried out. */
  readonly lose: (request: number) => void;
}

/** What another program does to the store. */
interface Others {
  put(key: string, value?: string): Promise<unknown>;
  remove(key: string): Promise<unknown>;
  removeBelow(key: string): Promise<unknown>;
}

let count = 0;

/** Makes one. Only what concerns keys and leases is seen. */
export function trackedOn(ground: V3Ground): Tracked {
  const namespace = `/requests${String(++count)}`;
  const inner = gotExchange({});
  const words: string[] = [];
  const hooks = new Map<number, () => Promise<unknown>>();
  let lost: number | undefined;
  const transport: Exchange = Object.assign(
    async (url: URL, spec: RequestSpec, signal: AbortSignal | undefined) => {
      // the client finds out by a list of the members whose cluster an endpoint is
      if (spec.path.startsWith("/v3/cluster/")) return inner(url, spec, signal);
      words.push(wordFor(spec));
      const number = words.length;
      await hooks.get(number)?.();
      const raw = await inner(url, spec, signal);
      if (number === lost) throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
      return raw;
    },
    { close: () => inner.close?.() },
  );
  const foreign = (path: string, body: object): Promise<unknown> => ground.gateway(path, body);
  const at = (key: string): string => base64(namespace + key);
  return {
    namespace,
    keys: ground.keys({ namespace }, { transport }),
    others: {
      put: (key, value = "") => foreign("/v3/kv/put", { key: at(key), value: base64(value) }),
      remove: (key) => foreign("/v3/kv/deleterange", { key: at(key) }),
      removeBelow: (key) => foreign("/v3/kv/deleterange", { key: at(`${key}/`), range_end: at(`${key}0`) }),
    },
    sent: async (call) => {
      const result = await call.then(textOf, errorText);
      const all = [...words, result];
      words.length = 0;
      hooks.clear();
      lost = undefined;
      return all;
    },
    before: (request, run) => void hooks.set(request, run),
    lose: (request) => (lost = request),
  };
}

/** `look`: two keys from a file on; `list`: a directory; `reads`: a transaction that writes nothing; `lean`, `whole`: one that does. */
function wordFor({ path, body = "{}" }: RequestSpec): string {
  const sent = JSON.parse(body) as { limit?: string; failure?: readonly object[]; success?: readonly object[] };
  if (path === "/v3/kv/range") return sent.limit === "2" ? "look" : "list";
  if (path !== "/v3/kv/txn") return path.split("/").at(-1) ?? "";
  const isRead = sent.success?.every((op) => "request_range" in op) === true;
  if (isRead) return "reads";
  return (sent.failure?.length ?? 0) > 1 ? "whole" : "lean";
}

function textOf(response: unknown): string {
  const { action, node } = response as Awaited<ReturnType<KeysAPI["get"]>>;
  const what = node.dir ? `{${node.nodes.map(({ key }) => key).join(" ")}}` : `=${node.value}`;
  return `${action} ${node.key}${what}`;
}

function errorText(error: unknown): string {
  if (error instanceof ClusterError) return error.outcome;
  assert.ok(error instanceof EtcdError, String(error));
  return `${String(error.errorCode)} ${error.serverCause}`;
}
