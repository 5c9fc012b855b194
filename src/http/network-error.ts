import { changesNothing } from "../util/changes-nothing.js";
import { EndpointError, type EndpointErrorCode, type Outcome } from "../util/errors.js";
import { errorCode, plainCause } from "../util/plain-cause.js";
import type { RequestSpec } from "./exchange.js";

/** Origin and base path of the endpoint that got a request, for messages; never the query, which may hold a value. */
export function endpointLabel(url: URL, spec: RequestSpec): string {
  return url.origin + (url.pathname.endsWith(spec.path) ? url.pathname.slice(0, -spec.path.length) : url.pathname);
}

/** The outcome of a request that failed: reads change nothing, and what was never sent cannot have been applied. */
export function outcomeOf(spec: RequestSpec, sent: boolean): Outcome {
  return sent && !changesNothing(spec) ? "unknown" : "notApplied";
}

/**
 * The `EndpointError` for an error of the network.
 *
 * @param sent whether the server may have received the request
 * @param keptConnection whether it went out on a kept connection, and no response has begun
 */
export function networkError(
  url: URL,
  spec: RequestSpec,
  error: unknown,
  sent: boolean,
  keptConnection = false,
): EndpointError {
  const cause = plainCause(error);
  const hint = hintFor(errorCode(error) ?? "", cause.message, url.protocol === "https:", sent);
  return endpointError(
    "ERR_NETWORK",
    `failed: ${inShort(cause.message)}${hint === "" ? "" : ` (${hint})`}`,
    url,
    spec,
    outcomeOf(spec, sent),
    cause,
    keptConnection,
  );
}

/**
 * The `EndpointError` for a response that took too long.
 *
 * @param what what did not come in time: the headers, the rest of the body, or (`idle`) its next part
 */
export function timeoutError(
  what: keyof typeof timeouts,
  ms: number,
  url: URL,
  spec: RequestSpec,
  sent: boolean,
): EndpointError {
  const [code, text] = timeouts[what];
  return endpointError(code, `${text} ${String(ms)} ms`, url, spec, outcomeOf(spec, sent));
}

const timeouts = {
  headers: ["ERR_HEADER_TIMEOUT", "exceeded header timeout of"],
  body: ["ERR_BODY_TIMEOUT", "did not finish its response within"],
  idle: ["ERR_BODY_TIMEOUT", "sent nothing more of its body for"],
} as const;

/** Whether it is an alert by which a server refuses a TLS handshake, before it reads any request. Node 22 says SSL/TLS where 20 says SSLV3. */
export function isHandshakeAlert(error: unknown): boolean {
  return /^ERR_SSL_(?:SSLV3|TLSV1|TLSV13|SSL\/TLS)_(?:ALERT_)?(?:BAD_CERTIFICATE|CERTIFICATE_\w+|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE|NO_CERTIFICATE|PROTOCOL_VERSION|INSUFFICIENT_SECURITY|UNRECOGNIZED_NAME|DECRYPT_ERROR)$/.test(
    errorCode(error) ?? "",
  );
}

function endpointError(
  code: EndpointErrorCode,
  text: string,
  url: URL,
  spec: RequestSpec,
  outcome: Outcome,
  cause?: Error,
  keptConnection = false,
): EndpointError {
  const endpoint = endpointLabel(url, spec);
  const fields = { endpoint, outcome, keptConnection };
  return new EndpointError(code, `endpoint ${endpoint} ${text}`, fields, cause && { cause });
}

/** Keeps OpenSSL's reason, and drops its numbers, function names and source lines. */
function inShort(message: string): string {
  return /error:[\dA-F]+:[^:]*:[^:]*:([^:]+)/.exec(message)?.[1]?.trim() ?? message.trim();
}

/**
 * What to do about it, where Node's or OpenSSL's message does not help. Codes as Node 20 to 24 give them against etcd
 * 3.3 to 3.5.
 */
function hintFor(code: string, message: string, secure: boolean, sent: boolean): string {
  if (untrustedCodes.has(code))
    return "the server's certificate comes from a CA that is not known here: pass that CA as tls.ca";
  if (code === "CERT_HAS_EXPIRED") return "the server's certificate has expired: renew it";
  if (code === "CERT_NOT_YET_VALID") return "the server's certificate is not valid yet: check the clocks";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return "the server's certificate is for another host: use a name that it lists, or pass one as tls.servername";
  }
  if (!sent && /wrong version number|WRONG_VERSION_NUMBER/.test(code + message))
    return "the server does not speak TLS: use http://";
  if (/BAD_DECRYPT|INTERRUPTED_OR_CANCELLED|MISSING_PASSPHRASE/.test(code))
    return "tls.key is encrypted: pass its passphrase as tls.passphrase";
  if (code.includes("KEY_VALUES_MISMATCH")) return "tls.key does not belong to tls.cert";
  // about 1 in 200 wrong passphrases decrypts to something that looks like a key (measured, Node 20 to 24)
  if (code === "ERR_OSSL_UNSUPPORTED")
    return "tls.key cannot be read: it must be PEM, and if it is encrypted, tls.passphrase must be right";
  if (/^ERR_OSSL_(?:PEM|ASN1)/.test(code)) return "tls.cert and tls.key must be PEM";
  if (/CERTIFICATE|UNKNOWN_CA|bad certificate|certificate required/.test(code + message)) {
    return "the server wants a client certificate, or refuses the one it got: pass tls.cert and tls.key from a CA that it trusts";
  }
  // etcd closes the connection in either case: TLS to a plain port, or plain HTTP to a TLS port
  if (secure && !sent && (code === "ECONNRESET" || code === "EPIPE"))
    return "the server closed the connection at the TLS handshake: if it does not speak TLS, use http://";
  if (!secure && message === "socket hang up")
    return "the server closed the connection without a response: if it speaks TLS, use https://";
  if (code.startsWith("HPE_") || message.startsWith("Response does not match the HTTP/1.1 protocol"))
    return "the server does not speak HTTP/1.1: is this etcd's client port?";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "the resolver does not know this name";
  return "";
}

const untrustedCodes: ReadonlySet<string> = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
]);
