import { isPort, JsonReader, type Read } from "../util/reader.js";
import { ConfigError } from "./errors.js";

/**
 * Reads a JSON object.
 *
 * @param where the key or the path of the text, for messages
 * @throws {ConfigError} `ERR_DECODE`: the text is not a JSON object; later, for a field that is wrong
 */
export function readObject(text: string, where: string, anyCase = false): JsonReader {
  return JsonReader.parse(text, { error: (problem) => new ConfigError("ERR_DECODE", where, problem), anyCase });
}

/** A number of a port, or its name. */
export const portOrName: Read<number | string> = (value, place) =>
  typeof value === "string" || isPort(value)
    ? value
    : place.refuse("is not a port (a whole number from 0 to 65535) or the name of one");

/** A version: a whole number or its digits, as digits. 0 and "" mean that there is none. */
export const version: Read<string | undefined> = (value, place) => {
  if (value === 0 || value === "") return undefined;
  if (typeof value === "string") return value;
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0
    ? String(value)
    : place.refuse("is not a version");
};

/** One of these strings; "" means the first. */
export function oneOfOrFirst<T extends string>(first: T, ...others: readonly T[]): Read<T> {
  return (value, place) =>
    value === ""
      ? first
      : ([first, ...others].find((each) => each === value) ??
        place.refuse(`is not one of ${[first, ...others].join(", ")}`));
}
