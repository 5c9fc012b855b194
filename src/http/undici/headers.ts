import type { RequestSpec } from "../exchange.js";

/** The headers of a request, as undici wants them: names and values in turn. */
export function headersOf({ headers }: RequestSpec): string[] {
  // nearly every read
  if (headers === undefined) return ["user-agent", "etcd2", "accept-encoding", "identity"];
  const list: string[] = [];
  if (headers["user-agent"] === undefined) list.push("user-agent", "etcd2");
  if (headers["accept-encoding"] === undefined) list.push("accept-encoding", "identity");
  for (const name in headers) list.push(name, headers[name] ?? "");
  return list;
}
