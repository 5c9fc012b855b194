import type { ConnectionOptions } from "node:tls";
import { badArgument, requireBoolean, requireOptions, requireText } from "../util/validate.js";

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

/** A copy, after all its checks. @throws {UsageError} a bad option */
export function checkedTls(tls: TlsOptions): TlsOptions {
  requireOptions("options.tls", tls, tlsOptionNames);
  const { ca, cert, key, passphrase, servername, rejectUnauthorized } = tls;
  for (const [name, pem] of Object.entries({ ca, cert, key })) {
    if (pem !== undefined && ![pem].flat().every((part) => typeof part === "string" || Buffer.isBuffer(part))) {
      badArgument(`options.tls.${name} must be PEM text or a Buffer`);
    }
  }
  if (passphrase !== undefined) requireText("options.tls.passphrase", passphrase);
  if (servername !== undefined) requireServerName(servername);
  requireBoolean("options.tls.rejectUnauthorized", rejectUnauthorized);
  if ((cert === undefined) !== (key === undefined)) badArgument("options.tls.cert and options.tls.key go together");
  if (cert !== undefined && key !== undefined) {
    if (holds(cert, "PRIVATE KEY") && holds(key, "CERTIFICATE") && !holds(cert, "CERTIFICATE")) {
      badArgument("options.tls.cert holds a private key, and options.tls.key a certificate: were they swapped?");
    }
    requirePem("cert", cert, "CERTIFICATE");
    requirePem("key", key, "PRIVATE KEY");
  }
  for (const each of [ca ?? []].flat() as readonly (string | Buffer)[]) requirePem("ca", each, "CERTIFICATE");
  return { ...tls };
}

function requireServerName(servername: unknown): void {
  requireText("options.tls.servername", servername);
  // not imported, since few need it: see lazy.ts
  const { isIP } = process.getBuiltinModule("node:net");
  if (isIP(servername) === 0) return;
  badArgument(
    `options.tls.servername must be a name, not the IP address "${servername}"; without it the certificate is checked ` +
      "against the address of the endpoint",
  );
}

/** What a PEM block begins with, at its end: there are a `RSA PRIVATE KEY` and a `TRUSTED CERTIFICATE`, too. */
type PemLabel = "CERTIFICATE" | "PRIVATE KEY";

function holds(pem: string | Buffer, label: PemLabel): boolean {
  return new RegExp(`-----BEGIN (?:[A-Z0-9]+ )*${label}-----`).test(pem.toString("latin1"));
}

/** Refuses what does not contain such a block, which OpenSSL would report in its own words, or not at all. */
function requirePem(name: "ca" | "cert" | "key", pem: string | Buffer, label: PemLabel): void {
  if (holds(pem, label)) return;
  const text = pem.toString("latin1");
  const what = `options.tls.${name} contains no ${label.toLowerCase()} in PEM`;
  // only what is certainly a path is quoted: anything else may be a secret
  badArgument(
    isPath(text) ? `${what} ("${text}"): that is a path, read the file first` : `${what} (-----BEGIN ${label}-----)`,
  );
}

function isPath(text: string): boolean {
  return (
    /^(?:[A-Z]:\\|\.{0,2}\/|~\/)?[\w@.~/\\ -]{1,300}\.(?:pem|crt|cer|cert|key|ca)$/i.test(text) ||
    /^\.{0,2}\/[\w@.~/ -]{1,300}$/.test(text)
  );
}

/** The same as Node wants it: a field that is there, even as undefined, would take the place of a default. */
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

const tlsOptionNames: ReadonlySet<string> = new Set<keyof TlsOptions>([
  "ca",
  "cert",
  "key",
  "passphrase",
  "servername",
  "rejectUnauthorized",
]);
