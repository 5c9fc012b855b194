import assert from "node:assert/strict";
import { Client, KeysAPI, type ClientOptions } from "../src/core/index.js";
import { settled } from "../src/test-kit/scripted-cluster.js";

/** The message of a call that fails. */
export async function failure(
  endpoint: string,
  options: Partial<ClientOptions> = {},
  call = (keys: KeysAPI, _client: Client): Promise<unknown> => keys.get("/k"),
): Promise<string> {
  await using client = new Client({ endpoints: [endpoint], headerTimeoutMs: 60_000, ...options });
  const error = await settled(call(new KeysAPI(client), client));
  assert.ok(error instanceof Error, "the call did not fail");
  assert.doesNotMatch(error.message, /secret/);
  return error.message;
}
