type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Headers of which each has one value: those that came several times are joined by commas. Mostly just what is given. */
export function singleHeaders(headers: Headers): Readonly<Record<string, string | undefined>> {
  if (isSingle(headers)) return headers;
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === "object" ? value.join(", ") : value]),
  );
}

function isSingle(headers: Headers): headers is Readonly<Record<string, string | undefined>> {
  for (const name in headers) {
    if (typeof headers[name] === "object") return false;
  }
  return true;
}
