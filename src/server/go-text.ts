import { isUtf8 } from "node:buffer";

/**
 * The text of bytes. etcd stores any bytes; nearly always they are UTF-8. A byte that is not part of a UTF-8 sequence becomes
 * a lone surrogate, U+DC00 plus the byte: nothing is lost, and it differs from a stored U+FFFD.
 */
export function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) return buffer.toString();
  let text = "";
  let from = 0;
  for (let at = 0; at < buffer.length;) {
    const length = sequenceLength(buffer, at);
    if (length === 0) {
      text += buffer.toString("utf8", from, at) + String.fromCharCode(strayByte + (buffer[at] ?? 0));
      from = ++at;
    } else at += length;
  }
  return text + buffer.toString("utf8", from);
}

/** The bytes of a text: the reverse of {@link textOf}. */
function bytesOf(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  return Buffer.concat(
    Array.from(text, (char) => {
      const code = char.codePointAt(0) ?? 0;
      return code > strayByte + 0x7f && code <= strayByte + 0xff ? Buffer.of(code - strayByte) : Buffer.from(char);
    }),
  );
}

/** Orders texts by their bytes, as Go does. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return plain.test(a) && plain.test(b) ? (a < b ? -1 : 1) : Buffer.compare(bytesOf(a), bytesOf(b));
}

/** A percent sign without two hexadecimal digits after it. The message is Go's. */
export class EscapeError extends Error {}

/**
 * Undoes percent-encoding.
 *
 * @param latin1 one character for each byte, as Node's HTTP parser returns it
 * @param plusIsSpace as in a query and a form
 * @throws {EscapeError} with Go's words
 */
export function unescape(latin1: string, plusIsSpace: boolean): string {
  const text = plusIsSpace ? latin1.replaceAll("+", " ") : latin1;
  if (!text.includes("%")) return textOf(Buffer.from(text, "latin1"));
  const bad = /%(?![\da-f]{2})/i.exec(latin1);
  if (bad !== null)
    throw new EscapeError(
      `invalid URL escape ${quote(textOf(Buffer.from(latin1.slice(bad.index, bad.index + 3), "latin1")))}`,
    );
  return textOf(
    Buffer.from(
      text.replace(/%(..)/g, (_all, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
      "latin1",
    ),
  );
}

/** Percent-encodes a path as Go does. */
export function escapePath(text: string): string {
  return bytesOf(text)
    .toString("latin1")
    .replace(/[^\w.~$&+,/:;=@-]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** Go's `path.Clean` of an absolute path. */
export function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const element of path.split("/")) {
    if (element === "..") kept.pop();
    else if (element !== "" && element !== ".") kept.push(element);
  }
  return `/${kept.join("/")}`;
}

/** In quotes, as Go's `%q` prints a short text. */
export function quote(text: string): string {
  const escaped = text.replace(/["\\\p{Cc}\p{Cs}]/gu, (char) => {
    const code = char.charCodeAt(0);
    const hex = (code > 0xff ? code - strayByte : code).toString(16).padStart(2, "0");
    return shortEscapes[char] ?? `\\x${hex}`;
  });
  return `"${escaped}"`;
}

const shortEscapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

/** The code of the surrogate for byte 0: see {@link textOf}. */
const strayByte = 0xdc00;

const plain = /^[\x20-\x7e]*$/;

/** The length of the UTF-8 sequence at this place, in bytes. 0: there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  return isUtf8(bytes.subarray(at, at + length)) && at + length <= bytes.length ? length : 0;
}
