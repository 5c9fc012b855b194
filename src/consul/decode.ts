import type { RawResponse, RequestSpec } from "../http/exchange.js";
import { JsonReader, listOf, number, text, type Read } from "../util/reader.js";
import { ConsulError } from "./errors.js";

/**
 * Reads the JSON of a response. Field names match in any case, as in Go. Messages name the field that is wrong and quote
 * nothing.
 *
 * @returns undefined: the body is `null`
 * @throws {ConsulError} `ERR_DECODE`
 */
export function decode<T>(spec: RequestSpec, raw: RawResponse, read: Read<T>): T | undefined {
  const error = (problem: string): ConsulError =>
    new ConsulError("ERR_DECODE", `unexpected response: ${problem}`, spec);
  return JsonReader.of({ body: parse(raw.body, error) }, { error, anyCase: true }).get("body", read);
}

/** Reads a response that is an array; `null` is an empty one. @throws {ConsulError} `ERR_DECODE` */
export function decodeList<T>(spec: RequestSpec, raw: RawResponse, read: Read<T>): T[] {
  return decode(spec, raw, listOf(read)) ?? [];
}

/** A string field; "" if it is absent. */
export function textOrEmpty(fields: JsonReader, name: string): string {
  return fields.get(name, text) ?? "";
}

/** A number field; 0 if it is absent. */
export function numberOrZero(fields: JsonReader, name: string): number {
  return fields.get(name, number) ?? 0;
}

/** An array of strings, for which Consul also writes `null`. */
export const texts: Read<string[]> = (value, place) => (value === null ? [] : listOf(text)(value, place));

function parse(body: string, error: (problem: string) => Error): unknown {
  if (body.trim() === "") throw error("the body is empty");
  try {
    return JSON.parse(body) as unknown;
  } catch {
    // the parser's own error quotes the body
    throw error("the body is not valid JSON");
  }
}
