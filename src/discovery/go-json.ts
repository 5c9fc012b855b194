import { compareBytes } from "../util/compare-bytes.js";
import { goString } from "../util/go-string.js";
import { isObject } from "../util/is-object.js";
import { JsonReader, type Read } from "../util/reader.js";
import { DiscoveryError } from "./errors.js";

/** An object as Go's encoding/json writes it, field by field, in the order given. A Map becomes an object. */
export function goObject(fields: Iterable<readonly [string, unknown]>): string {
  return `{${[...fields].map(([name, value]) => `${goString(name)}:${goValue(value)}`).join(",")}}`;
}

/** The entries of a Go map: sorted by the bytes of their keys. */
export function sortedByBytes<T>(fields: Readonly<Record<string, T>>): ReadonlyMap<string, T> {
  return new Map(Object.entries(fields).sort(([a], [b]) => compareBytes(a, b)));
}

function goValue(value: unknown): string {
  if (typeof value === "string") return goString(value);
  if (Array.isArray(value)) return `[${value.map(goValue).join(",")}]`;
  if (value instanceof Map) return goObject(value as Map<string, unknown>);
  return typeof value === "object" && value !== null ? goObject(Object.entries(value)) : JSON.stringify(value);
}

/**
 * Reads a JSON object as Go reads it into a struct: a field counts in any case, the exact name first, and null is absent.
 *
 * @param what names the object in messages; the text is never quoted, since it may contain a password
 * @throws {DiscoveryError} `ERR_DECODE`: the text is not a JSON object; later, for a field that is wrong
 */
export function readGoObject(what: string, text: string): JsonReader {
  return JsonReader.parse(text, {
    error: (problem) => new DiscoveryError("ERR_DECODE", `${what}: ${problem}`),
    anyCase: true,
  });
}

/** A string that UTF-8 can encode. */
export const goText: Read<string> = (value, place) =>
  typeof value === "string" ? value.toWellFormed() : place.refuse("is not a string");

/** The map of a host's ports. A port that is a number, which Go refuses, is read as its text; null is left out. */
export const goPorts: Read<Record<string, string>> = (value, place) => {
  if (!isObject(value)) return place.refuse("is not an object");
  const fields = Object.entries(value).filter(([, port]) => port !== null);
  return Object.fromEntries(
    fields.map(([scheme, port]) => [
      scheme.toWellFormed(),
      goText(typeof port === "number" ? String(port) : port, place.at(scheme)),
    ]),
  );
};
