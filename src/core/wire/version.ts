import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { Versions } from "../types.js";
import { requireObject, requireStatus, textField } from "./response.js";

export const versionSpec: RequestSpec = { method: "GET", path: "/version", call: { kind: "version" } };

/** etcd 2.0 responds with a sentence instead of JSON, which rejects with `ERR_INVALID_JSON`. */
export function decodeVersion(raw: RawResponse): Versions {
  requireStatus(raw, versionSpec, [200]);
  const body = requireObject(raw, versionSpec);
  return {
    server: textField(raw, versionSpec, body, "etcdserver"),
    cluster: textField(raw, versionSpec, body, "etcdcluster"),
  };
}
