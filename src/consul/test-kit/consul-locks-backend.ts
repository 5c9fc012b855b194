import type { LocksBackend } from "../../lock/test-kit/held-lock-suite.js";
import { createConsulLocks, NotFoundError, type SessionId } from "../index.js";
import { consulOfSuite, cuttableClient, type StartConsulServer } from "./consul-server.js";

export interface ConsulLocksBackendOptions {
  readonly start: StartConsulServer;
  /** How much later than its TTL a session may expire, in ms. */
  readonly expiryLatenessMs: number;
}

/** Consul for the suite of locks. Its shortest TTL is 10 s. */
export function consulLocksBackend({ start, expiryLatenessMs }: ConsulLocksBackendOptions): LocksBackend {
  const consul = consulOfSuite(start);
  const keys = async (key: string): Promise<readonly string[]> => {
    try {
      return await consul.client.keys(`${key}/`);
    } catch (error) {
      if (error instanceof NotFoundError) return [];
      throw error;
    }
  };
  return {
    ttlMs: 10_000,
    expiryLatenessMs,
    start: consul.start,
    stop: consul.stop,
    user: async (t) => {
      const { client, way } = await cuttableClient(t, consul.server);
      return { locks: createConsulLocks({ client }), ...way };
    },
    stored: keys,
    removeEntries: async (key) => {
      for (const entry of await keys(key))
        await consul.client.deleteSession(entry.slice(entry.lastIndexOf("/") + 1) as SessionId);
    },
  };
}
