import { textOf } from "./go-text.js";

/** JSON as Go's encoder writes it: `<`, `>`, `&`, U+2028 and U+2029 are escaped, bytes that are not UTF-8 become `\ufffd`. Fields that are undefined are left out. */
export function goJson(value: unknown): string {
  const text = JSON.stringify(value ?? null);
  return differsInGo.test(text) ? writtenOut(value) : text;
}

/**
 * What JSON.stringify writes differently from Go: unescaped characters, `\b`, `\f`, and surrogates without their other
 * half.
 */
const differsInGo = /[<>&\u2028\u2029]|\\[bf]|\\ud[89a-f]/;

function writtenOut(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.map(writtenOut).join(",")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  let fields = "";
  for (const [name, field] of Object.entries(value))
    if (field !== undefined) fields += `${fields === "" ? "" : ","}${quoted(name)}:${writtenOut(field)}`;
  return `{${fields}}`;
}

/**
 * The first JSON value of a text, as Go's `Decoder` reads it. Text after it is ignored.
 *
 * @throws {SyntaxError} the text does not begin with a JSON value
 */
export function firstJson(bytes: Uint8Array): unknown {
  const text = textOf(bytes);
  const end = endOfValue(text);
  return JSON.parse(end === undefined ? text : text.slice(0, end)) as unknown;
}

/** A field of a JSON object. Like Go, it accepts a name in another case if none matches exactly. Undefined: there is no such field. */
export function jsonField(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const fields = Object.entries(value);
  const exact = fields.findLast(([key]) => key === name);
  return (exact ?? fields.findLast(([key]) => key.toLowerCase() === name.toLowerCase()))?.[1];
}

function quoted(text: string): string {
  return unusual.test(text) ? `"${text.replace(toEscape, escapeOf)}"` : `"${text}"`;
}

// eslint-disable-next-line no-control-regex
const unusual = /["\\<>&\u2028\u2029\x00-\x1f\ud800-\udfff]/;
// eslint-disable-next-line no-control-regex
const toEscape = /["\\<>&\u2028\u2029\x00-\x1f]|\p{Surrogate}/gu;

function escapeOf(char: string): string {
  const code = char.charCodeAt(0);
  if (code >= 0xd800 && code < 0xe000) return "\\ufffd";
  return shortEscapes[char] ?? `\\u${code.toString(16).padStart(4, "0")}`;
}

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** The end of the object or array that a text begins with. Undefined: it begins with neither, or does not end. */
function endOfValue(text: string): number | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  let depth = 0;
  for (const { 0: part, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/gs)) {
    if (part === "{" || part === "[") depth++;
    else if (part === "}" || part === "]") depth--;
    if (depth === 0) return index + 1;
  }
  return undefined;
}
