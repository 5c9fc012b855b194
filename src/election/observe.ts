import { keysOf, Mirror, type KeysClient } from "../core/index.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { requireKeysClient, requireSignal, requireText } from "../util/validate.js";
import { entryOf, keyPath } from "./etcd-entry.js";
import type { LeaderEntry } from "./lock.js";

/**
 * Follows who leads, without taking part in the election: yields the present leader, then each change, in order; undefined
 * while there is no leader. Survives outages and cleared history.
 *
 * @param key of the leadership
 * @throws {UsageError} for bad arguments
 * @throws {EtcdError | ResponseError} a refusal that lasts, such as missing rights
 * Ends by throwing `signal.reason` when aborted.
 * @example
 * for await (const leader of observe(client, "jobs/leader", signal)) console.log(leader?.contactInfo ?? "nobody leads");
 */
export async function* observe(
  client: KeysClient,
  key: string,
  signal?: AbortSignal,
): AsyncGenerator<LeaderEntry | undefined, void, undefined> {
  requireKeysClient("client", client);
  requireText("key", key);
  requireSignal("signal", signal);
  const path = keyPath(key);
  const keys = keysOf(client).wrapped((sender) => ({ ...sender, quorumReads: true }));
  const stalled = new StalledWarning({
    owner: client,
    what: `observing the leader of "${key}"`,
    hint: "it goes on until etcd answers, or its signal aborts",
    isHeard: false,
  });
  const mirror = new Mirror(keys, path, {
    onError: (error) => {
      stalled.failed(error);
    },
  });
  let before: string | undefined;
  for (;;) {
    const { kind } = await mirror.next(signal);
    stalled.end();
    const node = mirror.get(path);
    const now = node && entryOf(node);
    // a list is read again now and then, though nothing has changed
    if (kind === "list" && before !== undefined && before === (now?.fencingToken ?? "")) continue;
    before = now?.fencingToken ?? "";
    yield now;
  }
}
