import http from "node:http";
import { Client, KeysAPI, type Exchange } from "../src/core/index.js";
import { gotExchange } from "../src/http/got/got-exchange.js";
import { v3Protocol } from "../src/v3/index.js";
import type { Subject } from "./subjects.js";

/** A request as it went out. */
interface Recorded {
  readonly path: string;
  readonly body: string;
}

/**
 * The requests that `v3Protocol()` sends for a call, sent again by `node:http`: what they take is etcd's own. They are recorded
 * when the call is made for the third time, when the client knows the keys. A write with a TTL gets the lease of its own grant.
 */
export function v3RequestsByHand(url: string): Pick<Subject, "get" | "put" | "ttl" | "list" | "close"> {
  const agent = new http.Agent({ keepAlive: true });
  const inner = gotExchange();
  let seen: Recorded[] = [];
  const transport: Exchange = (to, spec, signal) => {
    seen.push({ path: spec.path, body: spec.body ?? "" });
    return inner(to, spec, signal);
  };
  const client = new Client({ endpoints: [url], protocol: v3Protocol(), transport });
  const keys = new KeysAPI(client);
  const recorded = new Map<string, Promise<readonly Recorded[]>>();
  const record = async (call: () => Promise<unknown>): Promise<readonly Recorded[]> => {
    for (let time = 1; time <= 3; time++) {
      seen = [];
      await call();
    }
    return seen;
  };
  let recording: Promise<unknown> = Promise.resolve();
  const repeat = async (name: string, call: () => Promise<unknown>): Promise<unknown> => {
    let requests = recorded.get(name);
    if (requests === undefined) {
      // one after the other: they share the list
      recording = requests = recording.then(() => record(call));
      recorded.set(name, requests);
    }
    let last: unknown;
    let lease: string | undefined;
    for (const { path, body } of await requests) {
      const sent = lease === undefined ? body : body.replace(/"lease":"\d+"/, `"lease":"${lease}"`);
      const json = await post(agent, url + path, sent);
      if (path === "/v3/lease/grant") lease = json["ID"] as string;
      last = json;
    }
    return last;
  };
  return {
    get: (key) => repeat(`get ${key}`, () => keys.get(key)),
    put: (key, value) => repeat(`put ${key}`, () => keys.set(key, value)),
    ttl: (key, value) => repeat(`ttl ${key}`, () => keys.set(key, value, { ttl: 3_600 })),
    list: (dir) => repeat(`list ${dir}`, () => keys.get(dir, { recursive: true })),
    close: async () => {
      agent.destroy();
      await client.close();
      await inner.close?.();
    },
  };
}

/** @throws {Error} for a refusal, and for a transaction that did not succeed: it would be another amount of work */
function post(agent: http.Agent, url: string, body: string): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const sent = http.request(url, { agent, method: "POST", headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const json = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
        const isDone = response.statusCode === 200 && (!url.endsWith("/txn") || json["succeeded"] === true);
        if (isDone) resolve(json);
        else reject(new Error(`${url} was answered ${String(response.statusCode)}, or its transaction failed`));
      });
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
