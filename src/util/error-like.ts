/** What counts as an error: any object with a name and a message, whichever realm or library made it. */
export interface ErrorLike {
  readonly name: string;
  readonly message: string;
  /** Absent if the error has no code that is a string. */
  readonly code?: string;
}

/** Reads a thrown value as an error; undefined for anything else. */
export function asErrorLike(value: unknown): ErrorLike | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!("message" in value && "name" in value)) return undefined;
  const { name, message } = value;
  if (typeof name !== "string" || typeof message !== "string") return undefined;
  const code = "code" in value && typeof value.code === "string" ? value.code : undefined;
  return { name: name === "" ? "Error" : name, message, ...(code !== undefined && { code }) };
}

/**
 * The text of a thrown value, for a message or the log. Falls back to the code and the name of an error without a message,
 * as Node's AggregateError of a failed connect is. A value that is not an error is never quoted: it may be a secret.
 */
export function messageOf(value: unknown): string {
  const error = asErrorLike(value);
  if (error === undefined) return "something that is not an error was thrown";
  return error.message === "" ? (error.code ?? error.name) : error.message;
}
