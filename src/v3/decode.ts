import { ResponseError, type Outcome } from "../util/errors.js";
import { fromBase64 } from "./layout.js";

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** A key of the v3 store. Numbers above 2^53 are refused, never rounded. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** "0" for none. */
  readonly lease: string;
}

/** The header of a response. */
export interface Header {
  readonly revision: number;
  /** In hexadecimal, as v2 has it. */
  readonly clusterId: string;
}

/** Whether a value is a JSON object, not an array and not null. */
export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field that is an object; absent or null is `{}`. */
export function objectOf(json: Json, name: string): Json {
  const value = json[name] ?? {};
  if (!isJson(value)) throw malformed(`"${name}" is not an object`);
  return value;
}

/** A field that is an array of objects; absent or null is empty. */
export function objectsOf(json: Json, name: string): readonly Json[] {
  const value = json[name] ?? [];
  if (!Array.isArray(value) || !value.every(isJson)) throw malformed(`"${name}" is not an array of objects`);
  return value;
}

/** A field that is an array of strings; absent or null is empty. */
export function textsOf(json: Json, name: string): readonly string[] {
  const value: unknown = json[name] ?? [];
  if (!Array.isArray(value) || !value.every((each) => typeof each === "string")) {
    throw malformed(`"${name}" is not an array of strings`);
  }
  return value;
}

/** A field that is text; absent or null is "". */
export function textOf(json: Json, name: string): string {
  const value = json[name] ?? "";
  if (typeof value !== "string") throw malformed(`"${name}" is not a string`);
  return value;
}

/** A 64-bit number in decimal: the gateway writes them as strings; absent is "0". */
export function int64(json: Json, name: string): string {
  const value = json[name] ?? "0";
  const text = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== "string" || !/^-?\d+$/.test(text)) throw malformed(`"${name}" is not a number`);
  return text;
}

/** A 64-bit number that a double holds exactly. */
export function integer(json: Json, name: string): number {
  const given = json[name];
  if (given === undefined) return 0;
  const read = typeof given === "string" ? digitsOf(given) : NaN;
  if (read <= Number.MAX_SAFE_INTEGER) return read;
  const value = Number(int64(json, name));
  if (!Number.isSafeInteger(value)) throw malformed(`"${name}" does not fit into a JavaScript number`);
  return value;
}

/** The number that a text of digits is, not rounded up to 2^53; NaN for any other text. */
function digitsOf(text: string): number {
  let number = text === "" ? NaN : 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - zero;
    if (digit < 0 || digit > 9) return NaN;
    number = number * 10 + digit;
  }
  return number;
}

const zero = "0".charCodeAt(0);

/** The header of a response. @throws {ResponseError} it is malformed */
export function headerOf(json: Json): Header {
  const header = objectOf(json, "header");
  const clusterId = int64(header, "cluster_id");
  if (clusterId !== lastCluster.decimal) lastCluster = { decimal: clusterId, hex: hex(clusterId) };
  return { revision: integer(header, "revision"), clusterId: lastCluster.hex };
}

/** Nearly all responses are of one cluster. */
let lastCluster = { decimal: "0", hex: "0" };

/** A key as the gateway writes it. @throws {ResponseError} it is malformed */
export function keyValueOf(json: Json): KeyValue {
  return {
    key: fromBase64(textOf(json, "key")),
    value: fromBase64(textOf(json, "value")),
    createRevision: integer(json, "create_revision"),
    modRevision: integer(json, "mod_revision"),
    version: integer(json, "version"),
    lease: int64(json, "lease"),
  };
}

/** A decimal 64-bit number as v2 writes ids. */
export function hex(decimal: string): string {
  return BigInt.asUintN(64, BigInt(decimal)).toString(16);
}

/** An id as v2 writes it, in decimal. Undefined for what is none. */
export function decimal(hexadecimal: string): string | undefined {
  return /^[0-9a-f]{1,16}$/i.test(hexadecimal) ? BigInt(`0x${hexadecimal}`).toString() : undefined;
}

/** The response is not what the gateway sends; it is never quoted, it may hold values. */
export function malformed(problem: string, outcome: Outcome = "unknown"): ResponseError {
  return new ResponseError("ERR_INVALID_JSON", `unexpected response of etcd's v3 gateway: ${problem}`, {
    status: 200,
    outcome,
  });
}
