import { textOf } from "./go-text.js";

/** JSON as Go's encoder writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped, what is not UTF-8 as `\ufffd`. What is undefined is left out. */
export function goJson(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.map(goJson).join(",")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  let fields = "";
  for (const [name, field] of Object.entries(value))
    if (field !== undefined) fields += `${fields === "" ? "" : ","}${quoted(name)}:${goJson(field)}`;
  return `{${fields}}`;
}

/**
 * The first JSON value of a text, as Go's `Decoder` takes it: what comes after it is ignored.
 *
 * @throws {SyntaxError} when there is none
 */
export function firstJson(bytes: Uint8Array): unknown {
  const text = textOf(bytes);
  const end = endOfValue(text);
  return JSON.parse(end === undefined ? text : text.slice(0, end)) as unknown;
}

/** A field of a JSON object; Go takes a name in any case if none fits exactly. Undefined where there is none. */
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

/** Where the object or list that a text begins with ends; undefined where it does not end, or is neither. */
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
