import { jsonField } from "./go-json.js";

/** Why peer URLs are refused; the message is Go's. */
export class PeerUrlError extends Error {}

/**
 * The peer URLs in the JSON of a request about members, sorted as etcd keeps them.
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
  try {
    const json = JSON.parse(body) as unknown;
    if (json === null || (typeof json === "object" && !Array.isArray(json))) return json;
    throw new PeerUrlError(
      `json: cannot unmarshal ${kindOf(json)} into Go value of type struct { PeerURLs []string "json:\\"peerURLs\\"" }`,
    );
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new PeerUrlError(wordsOf(body));
  }
}

/** What Go says of JSON that is none. Of what is wrong in the middle it has many words; this is the commonest. */
function wordsOf(body: string): string {
  const first = body.trimStart()[0];
  if (first === undefined || /^\s*[{[]/.test(body)) return "unexpected end of JSON input";
  return `invalid character '${first}' looking for beginning of value`;
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
  if (!/^(?:\[[^\]]*\]|[^:[\]]*):[^:]*$/.test(parts?.["host"]?.replace(/^.*@/, "") ?? ""))
    throw new PeerUrlError(`URL address does not have the form "host:port": ${url}`);
  if ((parts?.["path"] ?? "") !== "") throw new PeerUrlError(`URL must not contain a path: ${url}`);
}
