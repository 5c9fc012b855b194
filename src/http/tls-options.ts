import type { ConnectionOptions } from "node:tls";
import { optional, requireFields, type Check, type Checks } from "../util/fields.js";
import { badArgument, kindOf, requireBoolean, requireText } from "../util/validate.js";

/** What a TLS connection needs: PEM text or Buffers. Absent means Node's defaults. */
export interface TlsOptions {
  /** The CAs to trust, in place of the well-known ones. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined;
  /** The client certificate, with its chain. Redirects do not take it to origins that are not endpoints. */
  readonly cert?: string | Buffer | undefined;
  /** The private key of `cert`. */
  readonly key?: string | Buffer | undefined;
  /** Decrypts an encrypted `key`. */
  readonly passphrase?: string | undefined;
  /** The name to ask for and to check the certificate against, in place of the endpoint's host. Not an IP address. */
  readonly servername?: string | undefined;
  /** `false` trusts any server, and gives the credentials to it: for tests only. @default true */
  readonly rejectUnauthorized?: boolean | undefined;
}

/**
 * A copy, after all its checks.
 *
 * @param what where these options are, for messages
 * @throws {UsageError} a bad option
 */
export function checkedTls(tls: TlsOptions, what = "options.tls"): TlsOptions {
  requireFields(what, tls, tlsChecks);
  const { ca, cert, key } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    badArgument(`${what}.cert and ${what}.key go together: "${cert === undefined ? "cert" : "key"}" is missing`);
  }
  if (cert !== undefined && key !== undefined) {
    if (holds(cert, "PRIVATE KEY") && holds(key, "CERTIFICATE") && !holds(cert, "CERTIFICATE")) {
      badArgument(`${what}.cert contains a private key, and ${what}.key a certificate: were they swapped?`);
    }
    requirePem(`${what}.cert`, cert, "CERTIFICATE");
    requirePem(`${what}.key`, key, "PRIVATE KEY");
  }
  for (const each of [ca ?? []].flat() as readonly (string | Buffer)[]) requirePem(`${what}.ca`, each, "CERTIFICATE");
  return { ...tls };
}

/** PEM text, or a Buffer of it; for CAs a list of them, too. What it contains is checked afterwards. */
function pemCheck(mayBeList: boolean): Check {
  return (what, value) => {
    const wrong = (mayBeList ? [value].flat() : [value]).find(
      (part) => typeof part !== "string" && !Buffer.isBuffer(part),
    );
    if (wrong !== undefined) badArgument(`${what} must be PEM text or a Buffer, got ${kindOf(wrong)}`);
  };
}

function requireServerName(what: string, servername: unknown): void {
  requireText(what, servername);
  // not imported, since few need it: see lazy.ts
  const { isIP } = process.getBuiltinModule("node:net");
  if (isIP(servername) === 0) return;
  badArgument(
    `${what} must be a name, not the IP address "${servername}"; without it the certificate is checked ` +
      "against the address of the endpoint",
  );
}

/** How the label of a PEM block ends: `RSA PRIVATE KEY` and `TRUSTED CERTIFICATE` exist, too. */
type PemLabel = "CERTIFICATE" | "PRIVATE KEY";

function holds(pem: string | Buffer, label: PemLabel): boolean {
  return new RegExp(`-----BEGIN (?:[A-Z0-9]+ )*${label}-----`).test(pem.toString("latin1"));
}

/** Refuses text without such a block. OpenSSL's own message would be obscure, or missing. */
function requirePem(what: string, pem: string | Buffer, label: PemLabel): void {
  if (holds(pem, label)) return;
  const text = pem.toString("latin1");
  const missing = `${what} contains no ${label.toLowerCase()} in PEM`;
  // only what is certainly a path is quoted: anything else may be a secret
  badArgument(
    isPath(text)
      ? `${missing} ("${text}"): that is a path, read the file first`
      : `${missing}: it must have a line "-----BEGIN ${label}-----"`,
  );
}

function isPath(text: string): boolean {
  return (
    /^(?:[A-Z]:\\|\.{0,2}\/|~\/)?[\w@.~/\\ -]{1,300}\.(?:pem|crt|cer|cert|key|ca)$/i.test(text) ||
    /^\.{0,2}\/[\w@.~/ -]{1,300}$/.test(text)
  );
}

/**
 * The same in Node's form. Absent fields are left out: one that is there, even as undefined, would replace a default.
 */
export function nodeTlsOptions({
  ca,
  cert,
  key,
  passphrase,
  servername,
  rejectUnauthorized = true,
}: TlsOptions): ConnectionOptions {
  return {
    rejectUnauthorized,
    ...(ca !== undefined && {
      ca: Array.isArray(ca) ? [...(ca as readonly (string | Buffer)[])] : (ca as string | Buffer),
    }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(passphrase !== undefined && { passphrase }),
    ...(servername !== undefined && { servername }),
  };
}

const tlsChecks: Checks<TlsOptions> = {
  ca: optional(pemCheck(true)),
  cert: optional(pemCheck(false)),
  key: optional(pemCheck(false)),
  passphrase: optional(requireText),
  servername: optional(requireServerName),
  rejectUnauthorized: requireBoolean,
};
