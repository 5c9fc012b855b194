import { asErrorLike, type ErrorLike } from "./error-like.js";

/**
 * A copy of a foreign error with what may be kept: its name, code and message. Other fields are dropped, since HTTP libraries
 * attach their options, passwords included. Errors of other realms count as errors.
 */
export function plainCause(error: unknown): Error {
  const { name, message: text } = asErrorLike(error) ?? notAnError;
  const message = text === "" ? [...new Set(partsOf(error).map((part) => plainCause(part).message))].join(", ") : text;
  const cause: Error & { code?: unknown } = new Error(message);
  cause.name = name;
  // a stack inside Node's network code is of no use
  cause.stack = `${name}: ${message}`;
  const code = errorCode(error);
  if (code !== undefined) cause.code = code;
  return cause;
}

const notAnError: ErrorLike = { name: "Error", message: "something that is not an error was thrown" };

/** The `code` of an error, such as Node's ECONNREFUSED; of one that stands for several, the first among them. Undefined if there is none. */
export function errorCode(error: unknown): string | undefined {
  const code = asErrorLike(error)?.code;
  if (code !== undefined) return code;
  return partsOf(error)
    .map(errorCode)
    .find((each) => each !== undefined);
}

/**
 * The errors that one error stands for: Node's AggregateError, with which connecting to a name with several addresses fails,
 * has no message of its own. got wraps it.
 */
function partsOf(error: unknown): readonly unknown[] {
  for (const each of [error, causeOf(error)]) {
    if (typeof each !== "object" || each === null || !("errors" in each) || !Array.isArray(each.errors)) continue;
    return each.errors.filter((part) => part !== error);
  }
  return [];
}

function causeOf(error: unknown): unknown {
  return typeof error === "object" && error !== null && "cause" in error ? error.cause : undefined;
}
