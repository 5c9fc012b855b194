import type { Exchange, RequestSpec } from "../../src/http/exchange.js";
import { pollChain } from "./poll-chain.js";
import { formHeaders, listQuery, readQuery, type Answer, type Subject } from "./subject.js";

/** A transport alone: what the SDK adds is the difference. JSON is read as node:http's is. */
export function bare(url: string, exchange: Exchange): Subject {
  const closed = new AbortController();
  const ask = async (spec: RequestSpec): Promise<Answer> => {
    const { status, body } = await exchange(new URL(`${url}${spec.path}?${spec.query ?? ""}`), spec, closed.signal);
    if (status >= 300) throw new Error(`status ${String(status)}`);
    return JSON.parse(body) as Answer;
  };
  const limits = { headersMs: 5_000, idleMs: 30_000 };
  const path = (key: string): string => `/v2/keys${key}`;
  return {
    get: (key) => ask({ method: "GET", path: path(key), query: readQuery, limits }),
    put: (key, value) =>
      ask({ method: "PUT", path: path(key), headers: formHeaders, body: `value=${encodeURIComponent(value)}`, limits }),
    list: (dir) => ask({ method: "GET", path: path(dir), query: listQuery, limits }),
    watch: (key, afterIndex, onEvent) => {
      void pollChain(afterIndex, onEvent, (waitIndex) =>
        ask({ method: "GET", path: path(key), query: `wait=true&waitIndex=${String(waitIndex)}`, longPoll: true }),
      );
    },
    close: () => {
      closed.abort();
      return exchange.close?.();
    },
  };
}
