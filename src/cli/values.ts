import { readFileSync } from "node:fs";
import type { Values } from "./command.js";
import { BadUsage } from "./io.js";

/** The text of an option; undefined if it was not given. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}

/** Whether a flag was given. */
export function flagOf(values: Values, name: string): boolean {
  return values[name] === true;
}

/** The number of an option; undefined if it was not given. @throws {BadUsage} for anything else than a number */
export function numberOf(values: Values, name: string): number | undefined {
  const text = textOf(values, name);
  if (text === undefined) return undefined;
  if (!/^\d+(?:\.\d+)?$/.test(text)) throw new BadUsage(`--${name} must be a number, got ${JSON.stringify(text)}`);
  return Number(text);
}

/** The whole number of an option; undefined if it was not given. @throws {BadUsage} */
export function countOf(values: Values, name: string): number | undefined {
  const number = numberOf(values, name);
  if (number !== undefined && !Number.isSafeInteger(number))
    throw new BadUsage(`--${name} must be a whole number, got ${String(number)}`);
  return number;
}

/** The entries of an option that is a list with commas; undefined if it was not given. */
export function listOf(values: Values, name: string): readonly string[] | undefined {
  return textOf(values, name)
    ?.split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** The text of the file that an option names. @throws {BadUsage} it cannot be read */
export function readOption(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new BadUsage(`--${name}: ${error instanceof Error ? error.message : "cannot be read"}`);
  }
}
