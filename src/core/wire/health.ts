import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import { malformed, requireObject, requireStatus, textField } from "./response.js";

/** Sent to single endpoints. A member that is not healthy returns 503, which is a response like any other here. */
export const healthSpec: RequestSpec = { method: "GET", path: "/health", call: { kind: "health" }, anyStatus: true };

/** What a member says about itself; `reason` since etcd 3.4. */
export function decodeHealth(raw: RawResponse): { readonly healthy: boolean; readonly reason: string } {
  requireStatus(raw, healthSpec, [200, 503]);
  const body = requireObject(raw, healthSpec);
  // a text in all servers so far
  const health =
    typeof body["health"] === "boolean" ? String(body["health"]) : textField(raw, healthSpec, body, "health");
  if (health !== "true" && health !== "false")
    throw malformed(raw, healthSpec, `"health" is neither "true" nor "false"`);
  return { healthy: raw.status === 200 && health === "true", reason: textField(raw, healthSpec, body, "reason") };
}
