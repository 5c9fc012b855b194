import type { RawResponse } from "../../http/exchange.js";

/** `X-Etcd-Index`; 0 if absent, undefined if it is not an index. */
export function indexOf(head: Pick<RawResponse, "headers">): number | undefined {
  return indexIn(head, "x-etcd-index");
}

/** A header that is an index; 0 if absent, undefined if it is not one. */
export function indexIn(head: Pick<RawResponse, "headers">, name: string): number | undefined {
  const text = header(head, name);
  if (text === "") return 0;
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** A header; "" if absent. If it was repeated, Node joins the values by commas: the first counts. */
export function header({ headers }: Pick<RawResponse, "headers">, name: string): string {
  const value = headers[name] ?? "";
  return value.includes(",") ? (value.split(",", 1)[0]?.trim() ?? "") : value;
}
