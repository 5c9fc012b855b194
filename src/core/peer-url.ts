import { badArgument, requireText } from "../util/validate.js";

/** Checks a peer URL by the rules of Go's client; a path is refused even if it is only "/". */
export function peerUrlOf(what: string, input: string): string {
  requireText(what, input);
  const url = input.trim();
  const {
    scheme = "",
    host = "",
    rest = "",
  } = /^(?<scheme>[a-z][\w+.-]*):\/\/(?<host>[^/?#]*)(?<rest>[^?#]*)/i.exec(url)?.groups ?? {};
  if (!/^(?:https?|unixs?)$/i.test(scheme))
    badArgument(`${what}: URL scheme must be http, https, unix, or unixs: ${quote(url)}`);
  if (host.includes("@")) badArgument(`${what} must not hold credentials`);
  if (!/^(?:\[[^\]]+\]|[^:]+):\d+$/.test(host))
    badArgument(`${what}: URL address does not have the form "host:port": ${quote(url)}`);
  if (rest !== "") badArgument(`${what}: URL must not contain a path: ${quote(url)}`);
  if (!URL.canParse(url)) badArgument(`${what} is not a URL: ${quote(url)}`);
  return url;
}

function quote(url: string): string {
  return url.includes("@") ? "(not shown: it holds an @)" : JSON.stringify(url);
}
