import type { Sender } from "../http/exchange.js";
import { Backoff } from "../util/backoff.js";
import { isKeyNotFound } from "../util/errors.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { retry } from "../util/retry.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { requireSignal } from "../util/validate.js";
import { requireKey } from "./keys-options.js";
import { getSpec } from "./wire/keys.js";
import { decodeKeys } from "./wire/keys-response.js";

/** What `Client.ready` takes. */
export interface ReadyOptions {
  /** A key that the client may read; it need not exist. Only matters where roles are in force. @default "/_ready" */
  readonly key?: string | undefined;
  /** Ends the wait. Absent: it has no limit. */
  readonly signal?: AbortSignal | undefined;
}

const firstPauseMs = 100;
const longestPauseMs = 1_000;

/** Reads by quorum until that works. */
export async function untilReady(sender: Sender, options: ReadyOptions): Promise<void> {
  requireFields("options", options, checks);
  const { key = "/_ready", signal } = options;
  const spec = { ...getSpec({ prefix: "/v2/keys", key }, { quorum: true }), retryForMs: 0 };
  const stalled = new StalledWarning({
    owner: sender,
    what: "client.ready()",
    hint: "pass options.signal to limit the wait",
    isHeard: false,
  });
  stalled.start();
  await retry(
    async () => {
      const raw = await sender.send(spec, signal);
      try {
        decodeKeys(raw, spec);
      } catch (error) {
        // the majority has agreed on that, too
        if (!isKeyNotFound(error)) throw error;
      }
    },
    { signal, backoff: new Backoff(firstPauseMs, longestPauseMs), stalled },
  );
}

const checks: Checks<ReadyOptions> = { key: optional(requireKey), signal: requireSignal };
