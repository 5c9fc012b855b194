import type { RequestSpec } from "./exchange.js";

/**
 * A command that repeats a request when it is pasted into a shell, after a comment with its note if it has one. Passwords and
 * other credentials are shown as `***`: put the real ones in.
 */
export function curlLine(url: URL, spec: RequestSpec): string {
  const words = ["curl", "-X", spec.method, quote(masked(url.href))];
  // curl would take these for patterns, except in an IPv6 host
  if (/[[\]{}]/.test(url.pathname + url.search)) words.push("-g");
  for (const [name, value] of Object.entries(spec.headers ?? {})) {
    if (name === "authorization" && value.startsWith("Basic ")) words.push("-u", userOf(value));
    else words.push("-H", quote(`${name}: ${isSecret(name) ? "***" : value}`));
  }
  const body =
    spec.maskedBody ?? (spec.body && masked(spec.body)) ?? (spec.bytes && `<${String(spec.bytes.length)} bytes>`);
  // after -d a leading @ would name a file
  if (body !== undefined) words.push(body.startsWith("@") ? "--data-raw" : "-d", quote(body));
  const line = words.join(" ");
  return spec.note === undefined ? line : `# ${spec.note}\n${line}`;
}

/** Whether a header carries credentials. */
export function isSecret(headerName: string): boolean {
  return /authorization|cookie|token|secret|api-?key/.test(headerName);
}

/**
 * Masks the passwords in JSON that is stored as a value, as by `etcd2/discovery`, in a form or a query, where it is
 * encoded.
 */
function masked(text: string): string {
  return text.replace(storedPassword, (_all, name: string, quote_: string) => `${name}***${quote_}`);
}

/** A JSON field `"password": "..."`, percent-encoded: its text may contain escaped quotes, but no bare one. */
const storedPassword =
  /(%22\w*(?:password|passwd|secret)\w*%22(?:\+|%20)*%3A(?:\+|%20)*%22)(?:%5C(?:%[\dA-F]{2}|[^%&])|(?!%22|%5C)[^&])*(%22)/gi;

function userOf(authorization: string): string {
  const pair = Buffer.from(authorization.slice("Basic ".length), "base64").toString();
  return `${quote(pair.slice(0, Math.max(0, pair.indexOf(":"))))}:***`;
}

/** A word of a POSIX shell. A bare `~` would not do: bash makes `value=~` the home directory. */
function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
