import { jsonField } from "./go-json.js";
import { quote } from "./go-text.js";
import { jsonProblem } from "./json-syntax.js";

/** Peer URLs are refused. The message is Go's. */
export class PeerUrlError extends Error {}

/**
 * The peer URLs in the JSON body of a members request, sorted as etcd stores them.
 *
 * @throws {PeerUrlError} in the words of Go's parsers
 */
export function peerUrls(body: string): readonly string[] {
  const urls = listOf(body).map((url) => url.trim());
  if (urls.length === 0) throw new PeerUrlError("no valid URLs given");
  for (const url of urls) check(url);
  return urls.toSorted();
}

function listOf(body: string): readonly string[] {
  const list = jsonField(parsed(body), "peerURLs") ?? [];
  if (!Array.isArray(list))
    throw new PeerUrlError(`json: cannot unmarshal ${kindOf(list)} into Go struct field .peerURLs of type []string`);
  return list.map((url: unknown) => {
    if (url === null) return "";
    if (typeof url !== "string")
      throw new PeerUrlError(`json: cannot unmarshal ${kindOf(url)} into Go struct field .peerURLs of type string`);
    return url;
  });
}

function parsed(body: string): unknown {
  const problem = jsonProblem(body);
  if (problem !== undefined) throw new PeerUrlError(problem);
  const json = JSON.parse(body) as unknown;
  if (json === null || (typeof json === "object" && !Array.isArray(json))) return json;
  throw new PeerUrlError(
    `json: cannot unmarshal ${kindOf(json)} into Go value of type struct { PeerURLs []string "json:\\"peerURLs\\"" }`,
  );
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

function check(url: string): void {
  const parts = /^(?:(?<scheme>[a-z][a-z\d+.-]*):)?(?:\/\/(?<host>[^/?#]*))?(?<path>[^?#]*)/i.exec(url)?.groups;
  const scheme = parts?.["scheme"]?.toLowerCase();
  if (scheme === undefined || !["http", "https", "unix", "unixs"].includes(scheme))
    throw new PeerUrlError(`URL scheme must be http, https, unix, or unixs: ${url}`);
  const host = parts?.["host"]?.replace(/^.*@/, "") ?? "";
  const badEscape = /%(?![\da-f]{2})/i.exec(host);
  if (badEscape !== null)
    throw new PeerUrlError(
      `parse ${quote(url)}: invalid URL escape ${quote(host.slice(badEscape.index, badEscape.index + 3))}`,
    );
  const badPort = /:[^:\]]*[^:\]\d][^:\]]*$/.exec(host)?.[0];
  if (badPort !== undefined) throw new PeerUrlError(`parse ${quote(url)}: invalid port ${quote(badPort)} after host`);
  if (!/^(?:\[[^\]]*\]|[^:[\]]*):[^:]*$/.test(host))
    throw new PeerUrlError(`URL address does not have the form "host:port": ${url}`);
  if ((parts?.["path"] ?? "") !== "") throw new PeerUrlError(`URL must not contain a path: ${url}`);
}
