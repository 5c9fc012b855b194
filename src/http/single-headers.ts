type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Headers with one value each: repeated ones are joined by commas, white space after a value is removed (undici keeps it).
 * Mostly just the headers given.
 */
export function singleHeaders(headers: Headers): Readonly<Record<string, string | undefined>> {
  if (isSingle(headers)) return headers;
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === "object" ? value.map((each) => each.trim()).join(", ") : value?.trim(),
    ]),
  );
}

function isSingle(headers: Headers): headers is Readonly<Record<string, string | undefined>> {
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === "object") return false;
    // the code of a space, or a tab before it
    if (value !== undefined && value.charCodeAt(value.length - 1) <= 32) return false;
  }
  return true;
}
