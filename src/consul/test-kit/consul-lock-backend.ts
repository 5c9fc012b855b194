import type { SessionId } from "../index.js";
import type { Exchange } from "../../http/exchange.js";
import { consulOfSuite, cuttableClient, type StartConsulServer } from "./consul-server.js";
import type { LockBackend } from "../../election/test-kit/lock-ground.js";

export interface ConsulLockOptions {
  /** Names the server in the title of each test. */
  readonly suffix: string;
  readonly start: StartConsulServer;
  readonly manyTermsMs: number;
  /** How much later than its TTL a session may expire, in ms. */
  readonly expiryLatenessMs: number;
}

/** Consul for the suite that every backend of elections passes. Its shortest TTL is 10 s. */
export function consulLockBackend({ suffix, start, manyTermsMs, expiryLatenessMs }: ConsulLockOptions): LockBackend {
  const consul = consulOfSuite(start);
  return {
    title: (number, text) => `election: ${text} (consul ${String(number)}, ${suffix})`,
    config: { ttlMs: 10_000, lockDelayMs: 1_000, cooldownMs: 300, stepDownTimeoutMs: 500, marginMs: 500 },
    concurrency: true,
    manyTermsMs,
    expiryLatenessMs,
    start: consul.start,
    stop: consul.stop,
    contender: async (t) => {
      const seen = { releases: { sent: 0, answered: 0 }, lastGoodBeatMs: -Infinity, pending: 0 };
      const { client, way } = await cuttableClient(t, consul.server, (exchange) => counting(exchange, seen));
      return {
        candidate: client,
        ...way,
        releases: () => seen.releases,
        lastGoodBeatMs: () => seen.lastGoodBeatMs,
        pending: () => seen.pending,
      };
    },
    endSession: async (_key, id) => {
      await consul.client.deleteSession(id as SessionId);
    },
  };
}

interface Seen {
  readonly releases: { sent: number; answered: number };
  lastGoodBeatMs: number;
  pending: number;
}

function counting(exchange: Exchange, seen: Seen): Exchange {
  const counted: Exchange = async (url, spec, signal) => {
    const sentMs = performance.now();
    seen.pending++;
    const isRelease = url.searchParams.has("release");
    if (isRelease) seen.releases.sent++;
    try {
      const raw = await exchange(url, spec, signal);
      if (isRelease) seen.releases.answered++;
      if (raw.status === 200 && /session\/(create|renew)/.test(url.pathname)) seen.lastGoodBeatMs = sentMs;
      return raw;
    } finally {
      seen.pending--;
    }
  };
  return Object.assign(counted, { close: () => exchange.close?.() });
}
