import type { Credentials } from "../core/keys-store.js";
import { textOf } from "./go-text.js";

/**
 * The credentials of a request. Undefined: it has none.
 *
 * A header with another scheme, or one that cannot be read, becomes credentials that no user has. While auth is on, etcd
 * refuses such a request and does not treat its caller as a guest.
 */
export function credentialsOf(authorization: string | undefined): Credentials | undefined {
  if (authorization === undefined || authorization === "") return undefined;
  const encoded = /^Basic ([A-Za-z\d+/]*={0,2})$/i.exec(authorization)?.[1] ?? "";
  const text = encoded.length % 4 === 0 ? textOf(Buffer.from(encoded, "base64")) : "";
  const colon = text.indexOf(":");
  return colon < 0
    ? { username: "", password: "" }
    : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
