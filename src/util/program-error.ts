import { asErrorLike } from "./error-like.js";

const programErrors: ReadonlySet<string> = new Set([
  "TypeError",
  "ReferenceError",
  "RangeError",
  "SyntaxError",
  "EvalError",
  "URIError",
  "AssertionError",
]);

/**
 * Whether an error shows a fault of the program, such as a TypeError or a module that does not exist. Nothing is gained by
 * trying again. `fetch` reports a failure of the network as a TypeError, too, with the failure as its `cause`.
 */
export function isProgramError(error: unknown): boolean {
  const { name, code = "" } = asErrorLike(error) ?? {};
  if (/^(?:ERR_)?MODULE_NOT_FOUND$|^ERR_(?:INVALID_ARG|PACKAGE_)/.test(code)) return true;
  return name !== undefined && programErrors.has(name) && !isNetworkCode(code) && !isNetworkCode(codeOfCause(error));
}

/** As the system, Node's HTTP parser, OpenSSL and undici name what went wrong: ECONNRESET, HPE_INVALID_CONSTANT, ERR_SSL_..., UND_ERR_SOCKET. */
function isNetworkCode(code: string): boolean {
  return /^(?:E[A-Z0-9]+|HPE_\w+|ERR_SSL_\w+|ERR_TLS_\w+|UND_ERR_\w+)$/.test(code);
}

function codeOfCause(error: unknown): string {
  return typeof error === "object" && error !== null && "cause" in error ? (asErrorLike(error.cause)?.code ?? "") : "";
}
