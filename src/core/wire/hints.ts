// What error messages add to the words of the server.
import type { RawResponse, RequestSpec } from "../../http/exchange.js";

/** The call and its endpoint, such as "get /k at http://127.0.0.1:2379"; undefined if it was not about a key. */
export function requestOf({ endpoint }: RawResponse, { call }: RequestSpec): string | undefined {
  return endpoint === undefined || call === undefined || !("key" in call)
    ? undefined
    : `${call.kind} ${call.key} at ${endpoint}`;
}

/** What to do about a refusal; undefined where etcd's own words are enough. */
export function refusalHint(
  errorCode: number,
  { status, authenticated }: RawResponse,
  { call }: RequestSpec,
): string | undefined {
  if (errorCode === 110 || (errorCode === 0 && status === 401)) return credentialsHint(authenticated);
  if (errorCode === 101 && call !== undefined && "prevIndex" in call)
    return "compare with node.modifiedIndex of the last read";
  if (errorCode === 102 && call?.kind === "delete") return "it is a directory: pass recursive, or dir if it is empty";
  if (errorCode === 108 && call?.kind === "delete") return "pass recursive to delete what is below it, too";
  return undefined;
}

/** etcd's response is the same in all these cases. */
function credentialsHint(authenticated: boolean | undefined): string | undefined {
  if (authenticated === undefined) return undefined;
  return authenticated
    ? "sent with credentials: check the user's name, password and rights"
    : "sent without credentials, as guest: pass username and password to the client";
}

/** Why an etcd returns 404 for everything below /v2. */
export function noV2Hint({ endpoint = "" }: RawResponse): string {
  const off =
    "the v2 API is probably not enabled, start etcd with --enable-v2 (off since 3.4, gone in 3.6), or use v3Protocol() of etcd2/v3";
  return /:(?:2380|7001)(?:\/|$)/.test(endpoint)
    ? `this is probably a peer port, clients use another one (2379); or ${off}`
    : `${off}; or this is a peer port`;
}
