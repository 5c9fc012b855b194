import assert from "node:assert/strict";
import type { LocksBackend } from "../../lock/test-kit/held-lock-suite.js";
import { cuttable } from "../../test-kit/tcp-proxy.js";
import { createConsulClient, createConsulLocks, NotFoundError, type ConsulClient, type SessionId } from "../index.js";
import { httpTimeoutMs, wayTo, type ConsulServer, type StartConsulServer } from "./consul-server.js";

export interface ConsulLocksBackendOptions {
  readonly start: StartConsulServer;
  /** How much later than its TTL a session may expire, in ms. */
  readonly expiryLatenessMs: number;
}

/** Consul for the suite of locks. Its shortest TTL is 10 s. */
export function consulLocksBackend({ start, expiryLatenessMs }: ConsulLocksBackendOptions): LocksBackend {
  let server: ConsulServer | undefined;
  let client: ConsulClient | undefined;
  const keys = async (key: string): Promise<readonly string[]> => {
    try {
      return (await client?.keys(`${key}/`)) ?? [];
    } catch (error) {
      if (error instanceof NotFoundError) return [];
      throw error;
    }
  };
  return {
    ttlMs: 10_000,
    expiryLatenessMs,
    start: async () => {
      server = await start();
      client = createConsulClient({ address: server.url, transport: server.transport, httpTimeoutMs });
    },
    stop: async () => {
      await client?.close();
      await server?.stop();
    },
    user: async (t) => {
      const way = await wayTo(server ?? assert.fail("the server is there only while tests run"));
      const own = createConsulClient({ address: way.url, transport: way.transport, httpTimeoutMs });
      t.after(async () => {
        await own.close();
        await way.close();
      });
      return {
        locks: createConsulLocks({ client: own }),
        ...cuttable(way),
      };
    },
    stored: keys,
    removeEntries: async (key) => {
      for (const entry of await keys(key))
        await client?.deleteSession(entry.slice(entry.lastIndexOf("/") + 1) as SessionId);
    },
  };
}
