import type { RawResponse } from "../../http/exchange.js";

/** `X-Etcd-Index`; 0 if absent, undefined if it is not an index. */
export function indexOf(head: Pick<RawResponse, "headers">): number | undefined {
  return indexIn(head, "x-etcd-index");
}

/** A header that is an index; 0 if absent, undefined if it is not one. */
export function indexIn(head: Pick<RawResponse, "headers">, name: string): number | undefined {
  const text = header(head, name);
  if (text === "") return 0;
  const index = Number(text);
  return Number.isSafeInteger(index) && isDigits(text) ? index : undefined;
}

/** No regular expression: it is called six times for an event. */
function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < zeroCode || code > nineCode) return false;
  }
  return true;
}

const zeroCode = "0".charCodeAt(0);
const nineCode = "9".charCodeAt(0);

/** A header; "" if absent. If it was repeated, Node joins the values by commas: the first counts. */
export function header({ headers }: Pick<RawResponse, "headers">, name: string): string {
  const value = headers[name] ?? "";
  return value.includes(",") ? (value.split(",", 1)[0]?.trim() ?? "") : value;
}
