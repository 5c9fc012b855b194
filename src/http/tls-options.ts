import type { ConnectionOptions } from "node:tls";
import { badArgument, requireBoolean, requireOptions, requireText } from "../util/validate.js";

/** What a TLS connection needs: PEM text or Buffers. Absent means Node's defaults. */
export interface TlsOptions {
  /** The CAs to trust, in place of the well-known ones. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[] | undefined;
  /** The client certificate, with its chain. */
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  /** Of an encrypted `key`. */
  readonly passphrase?: string | undefined;
  /** The name to ask for and to check the certificate against, in place of the endpoint's host. */
  readonly servername?: string | undefined;
  /** `false` trusts any server, and gives the credentials to it: for tests only. @default true */
  readonly rejectUnauthorized?: boolean | undefined;
}

/** A copy, once all in it is what it must be. */
export function checkedTls(tls: TlsOptions): TlsOptions {
  requireOptions("options.tls", tls, tlsOptionNames);
  const { ca, cert, key, passphrase, servername, rejectUnauthorized } = tls;
  for (const [name, pem] of Object.entries({ ca, cert, key })) {
    if (pem !== undefined && ![pem].flat().every((part) => typeof part === "string" || Buffer.isBuffer(part))) {
      badArgument(`options.tls.${name} must be PEM text or a Buffer`);
    }
  }
  if (passphrase !== undefined) requireText("options.tls.passphrase", passphrase);
  if (servername !== undefined) requireText("options.tls.servername", servername);
  requireBoolean("options.tls.rejectUnauthorized", rejectUnauthorized);
  if ((cert === undefined) !== (key === undefined)) badArgument("options.tls.cert and options.tls.key go together");
  return { ...tls };
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
