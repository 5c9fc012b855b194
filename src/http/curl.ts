import type { RequestSpec } from "./exchange.js";

/** A command that repeats the request when pasted into a shell. Passwords are shown as `***`: put the real one in. */
export function curlLine(url: URL, spec: RequestSpec): string {
  const words = ["curl", "-X", spec.method, quote(url.href)];
  // curl would take these for patterns, outside of an IPv6 host
  if (/[[\]{}]/.test(url.pathname + url.search)) words.push("-g");
  for (const [name, value] of Object.entries(spec.headers ?? {})) {
    if (name === "authorization") words.push("-u", userOf(value));
    else words.push("-H", quote(`${name}: ${value}`));
  }
  const body = spec.maskedBody ?? spec.body ?? (spec.bytes && `<${String(spec.bytes.length)} bytes>`);
  // after -d a leading @ would name a file
  if (body !== undefined) words.push(body.startsWith("@") ? "--data-raw" : "-d", quote(body));
  return words.join(" ");
}

function userOf(authorization: string): string {
  const pair = Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString();
  return `${quote(pair.slice(0, Math.max(0, pair.indexOf(":"))))}:***`;
}

/** A word of a POSIX shell. A bare `~` would not do: bash makes `value=~` the home directory. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
