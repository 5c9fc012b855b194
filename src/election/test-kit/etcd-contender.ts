import type { Client, Sender } from "../../core/index.js";
import { cuttable, type Cuttable } from "../../test-kit/tcp-proxy.js";
import { createEtcdCandidate } from "../index.js";
import type { LockContender } from "./lock-ground.js";

/**
 * A contender over etcd. It counts what it sends.
 *
 * @param way the client's way to etcd
 * @param wrap what happens to the requests on their way to the client. @default nothing
 */
export function etcdContender(
  client: Client,
  way: Cuttable,
  wrap: (send: Sender["send"]) => Sender["send"] = (send) => send,
): LockContender {
  const releases = { sent: 0, answered: 0 };
  let [lastGoodBeatMs, pending] = [0, 0];
  const send = wrap((spec, signal) => client.send(spec, signal));
  const counting: Sender = {
    send: async (spec, signal) => {
      if (spec.method === "DELETE") releases.sent++;
      const sentMs = performance.now();
      pending++;
      try {
        const raw = await send(spec, signal);
        if (spec.method === "DELETE") releases.answered++;
        if (spec.method === "PUT" && raw.status < 300) lastGoodBeatMs = sentMs;
        return raw;
      } finally {
        pending--;
      }
    },
  };
  return {
    candidate: createEtcdCandidate({ client: counting }),
    ...cuttable(way),
    releases: () => releases,
    lastGoodBeatMs: () => lastGoodBeatMs,
    pending: () => pending,
  };
}
