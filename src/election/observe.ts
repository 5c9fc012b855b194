import { keysOf, Mirror, type KeysClient } from "../core/index.js";
import { requireSignal, requireText } from "../util/validate.js";
import { entryOf, keyPath } from "./etcd-entry.js";
import type { LeaderEntry } from "./lock.js";

/**
 * Who leads: first as it is now, then at every change, in order; undefined while nobody does. Outlives outages and
 * cleared history. Takes no part in the election.
 *
 * @throws {UsageError} for bad arguments
 * @throws {EtcdError | ResponseError} what will not pass by itself, such as missing rights
 * Ends by throwing `signal.reason` when aborted.
 */
export async function* observe(
  client: KeysClient,
  key: string,
  signal?: AbortSignal,
): AsyncGenerator<LeaderEntry | undefined, void, undefined> {
  requireText("key", key);
  requireSignal("signal", signal);
  const path = keyPath(key);
  const keys = keysOf(client).wrapped((sender) => ({ ...sender, quorumReads: true }));
  const mirror = new Mirror(keys, path);
  let before: string | undefined;
  for (;;) {
    const { kind } = await mirror.next(signal);
    const node = mirror.nodes.get(path);
    const now = node && entryOf(node);
    // a list says what is, though nothing may have changed
    if (kind === "list" && before !== undefined && before === (now?.fencingToken ?? "")) continue;
    before = now?.fencingToken ?? "";
    yield now;
  }
}
