import { Client, KeysAPI } from "../../core/index.js";
import type { Exchange } from "../../http/exchange.js";
import type { Json } from "../decode.js";
import type { V3Options } from "../options.js";
import { v3Protocol } from "../protocol.js";

/** A request that reached the scripted gateway. */
export interface SeenCall {
  readonly path: string;
  readonly body: Json;
}

/** What the gateway responds with: JSON with status 200, or a refusal by its gRPC code. */
export type Scripted = Json | { readonly refusal: number; readonly words?: string };

export interface ScriptedGateway {
  readonly keys: KeysAPI;
  readonly client: Client;
  readonly calls: readonly SeenCall[];
}

/** A header as the gateway sends it. */
export function headerAt(revision: number): Json {
  return { cluster_id: "10", member_id: "11", revision: String(revision), raft_term: "2" };
}

/** A client on a gateway without a server, for what a real one cannot be made to do. */
export function scriptedGateway(
  answer: (call: SeenCall) => Scripted | Promise<Scripted>,
  { options, format = "old" }: { readonly options?: V3Options; readonly format?: "old" | "new" } = {},
): ScriptedGateway {
  const calls: SeenCall[] = [];
  const transport: Exchange = async (_url, { path, body = "{}" }) => {
    const call = { path, body: JSON.parse(body) as Json };
    calls.push(call);
    const said = await answer(call);
    if (!("refusal" in said)) return { status: 200, headers: {}, body: JSON.stringify(said) };
    const { refusal: code, words: message = "" } = said as { refusal: number; words?: string };
    const status = statuses[code]?.[format === "old" ? 0 : 1] ?? 500;
    // the new gateway leaves "error" out, and may write spaces
    const json = format === "old" ? { error: message, message, code } : { code, message };
    return { status, headers: {}, body: JSON.stringify(json, null, format === "old" ? 0 : 1) };
  };
  const client = new Client({ endpoints: ["http://gateway:2379"], transport, protocol: v3Protocol(options) });
  return { client, keys: new KeysAPI(client), calls };
}

/** The HTTP status of a gRPC code, in the old and the new format. */
const statuses: Readonly<Record<number, readonly [old: number, new_: number]>> = {
  1: [408, 499],
  2: [500, 500],
  3: [400, 400],
  5: [404, 404],
  7: [403, 403],
  8: [429, 429],
  9: [412, 400],
  10: [409, 409],
  11: [400, 400],
  14: [503, 503],
  16: [401, 401],
};
