import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { FollowerStats, LeaderStats, SelfStats, StoreStats } from "../types-stats.js";
import { isObject, malformed, requireObject, requireStatus, textField, type JsonObject } from "./response.js";

export const selfStatsSpec: RequestSpec = { method: "GET", path: "/v2/stats/self", call: { kind: "selfStats" } };
export const leaderStatsSpec: RequestSpec = { method: "GET", path: "/v2/stats/leader", call: { kind: "leaderStats" } };
export const storeStatsSpec: RequestSpec = { method: "GET", path: "/v2/stats/store", call: { kind: "storeStats" } };

export function decodeSelfStats(raw: RawResponse): SelfStats {
  const reader = new Reader(raw, selfStatsSpec);
  const body = reader.body();
  const leaderInfo = reader.object(body, "leaderInfo");
  return {
    id: reader.text(body, "id"),
    name: reader.text(body, "name"),
    state: reader.text(body, "state"),
    startTime: reader.date(body, "startTime"),
    leader: reader.text(leaderInfo, "leader"),
    leaderSince: reader.date(leaderInfo, "startTime"),
    receivedAppends: reader.number(body, "recvAppendRequestCnt"),
    sentAppends: reader.number(body, "sendAppendRequestCnt"),
  };
}

export function decodeLeaderStats(raw: RawResponse): LeaderStats {
  const reader = new Reader(raw, leaderStatsSpec);
  const body = reader.body();
  const followers = reader.object(body, "followers");
  return {
    leader: reader.text(body, "leader"),
    followers: new Map(Object.keys(followers).map((id) => [id, followerOf(reader, reader.object(followers, id))])),
  };
}

export function decodeStoreStats(raw: RawResponse): StoreStats {
  const reader = new Reader(raw, storeStatsSpec);
  const body = reader.body();
  const outcomes = (name: string): { readonly success: number; readonly fail: number } => ({
    success: reader.number(body, `${name}Success`),
    fail: reader.number(body, `${name}Fail`),
  });
  return {
    gets: outcomes("gets"),
    sets: outcomes("sets"),
    creates: outcomes("create"),
    updates: outcomes("update"),
    deletes: outcomes("delete"),
    compareAndSwaps: outcomes("compareAndSwap"),
    compareAndDeletes: outcomes("compareAndDelete"),
    expired: reader.number(body, "expireCount"),
    watchers: reader.number(body, "watchers"),
  };
}

function followerOf(reader: Reader, body: JsonObject): FollowerStats {
  const [latency, counts] = [reader.object(body, "latency"), reader.object(body, "counts")];
  return {
    latencyMs: {
      current: reader.number(latency, "current"),
      average: reader.number(latency, "average"),
      standardDeviation: reader.number(latency, "standardDeviation"),
      minimum: reader.number(latency, "minimum"),
      maximum: reader.number(latency, "maximum"),
    },
    success: reader.number(counts, "success"),
    fail: reader.number(counts, "fail"),
  };
}

class Reader {
  readonly #raw: RawResponse;
  readonly #spec: RequestSpec;

  constructor(raw: RawResponse, spec: RequestSpec) {
    this.#raw = raw;
    this.#spec = spec;
  }

  body(): JsonObject {
    requireStatus(this.#raw, this.#spec, [200]);
    return requireObject(this.#raw, this.#spec);
  }

  text(body: JsonObject, name: string): string {
    return textField(this.#raw, this.#spec, body, name);
  }

  /** 0 where it is absent. Counters above 2^53 are rounded, which a statistic can bear. */
  number(body: JsonObject, name: string): number {
    const value = body[name] ?? 0;
    if (typeof value !== "number") throw malformed(this.#raw, this.#spec, `"${name}" is not a number`);
    return value;
  }

  object(body: JsonObject, name: string): JsonObject {
    const value = body[name] ?? {};
    if (!isObject(value)) throw malformed(this.#raw, this.#spec, `"${name}" is not an object`);
    return value;
  }

  /** undefined where it is absent, and for Go's zero time. */
  date(body: JsonObject, name: string): Date | undefined {
    const text = this.text(body, name);
    if (text === "" || text.startsWith("0001-01-01T")) return undefined;
    const date = new Date(text);
    if (Number.isNaN(date.getTime())) throw malformed(this.#raw, this.#spec, `"${name}" is not a time`);
    return date;
  }
}
