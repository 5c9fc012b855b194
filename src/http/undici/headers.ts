import type { RequestSpec } from "../exchange.js";

/** The headers of a request, as undici wants them: names and values in turn. */
export function headersOf({ headers }: RequestSpec): string[] {
  const list: string[] = [];
  for (const name in defaults) if (headers?.[name] === undefined) list.push(name, defaults[name] ?? "");
  for (const name in headers) list.push(name, headers[name] ?? "");
  return list;
}

/** What every request sends, unless it says otherwise. */
const defaults: Readonly<Record<string, string>> = { "user-agent": "etcd2", "accept-encoding": "identity" };
