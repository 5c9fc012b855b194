import type { Sender } from "../http/exchange.js";
import { KeysAPI } from "./keys.js";

/** What the layers accept: a KeysAPI, or a client from which to make one. */
export type KeysClient = KeysAPI | Sender;

/** The keys of a client. A KeysAPI is returned as it is. @throws {UsageError} for anything else */
export function keysOf(client: KeysClient): KeysAPI {
  return client instanceof KeysAPI ? client : new KeysAPI(client);
}
