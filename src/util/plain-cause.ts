/** What may be kept of a foreign error: its name, code and message. Others carry their options along, passwords included. */
export function plainCause(error: unknown): Error {
  if (!(error instanceof Error)) return new Error("something that is not an error was thrown");
  const cause: Error & { code?: unknown } = new Error(error.message);
  cause.name = error.name;
  // where it came from inside the network code helps nobody
  cause.stack = `${error.name}: ${error.message}`;
  const code = errorCode(error);
  if (code !== undefined) cause.code = code;
  return cause;
}

/** Node's `code` of an error, if it has one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
