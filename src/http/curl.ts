import type { RequestSpec } from "./exchange.js";

/** A command that repeats the request when pasted into a shell. Passwords are shown as `***`: put the real one in. */
export function curlLine(url: URL, spec: RequestSpec): string {
  const words = ["curl", "-X", spec.method, quote(url.href)];
  // curl would take these for patterns, outside of an IPv6 host
  if (/[[\]{}]/.test(url.pathname + url.search)) words.splice(1, 0, "-g");
  for (const [name, value] of Object.entries(spec.headers ?? {})) {
    if (name === "authorization") words.push("-u", userOf(value));
    else words.push("-H", quote(`${name}: ${value}`));
  }
  const body = spec.maskedBody ?? spec.body;
  if (body !== undefined) words.push("-d", quote(body));
  return words.join(" ");
}

function userOf(authorization: string): string {
  const pair = Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString();
  return `${quote(pair.slice(0, Math.max(0, pair.indexOf(":"))))}:***`;
}

/** A word of a POSIX shell. */
function quote(text: string): string {
  return /^[\w@%+=:,./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
