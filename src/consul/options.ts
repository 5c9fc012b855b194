import type { Exchange } from "../http/exchange.js";
import type { TlsOptions } from "../http/tls-options.js";
import {
  badArgument,
  requireBoolean,
  requireFunction,
  requireMs,
  requireOptions,
  requireText,
} from "../util/validate.js";

/** Told what a program's log may want to hold: what failed, and what happens in elections. Never values or tokens. */
export type Logger = (message: string, fields?: object) => void;

export interface ConsulOptions {
  /** Base URL of the agent, http or https. @default "http://localhost:8500" */
  readonly address?: string | undefined;
  /** Longest time for one request, its answer's body included, in ms; 0 or less for the default. Blocking queries have limits of their own. @default 10000 */
  readonly httpTimeoutMs?: number | undefined;
  /** Trusts any server, and gives the token to it: for tests only. @default false */
  readonly skipTlsVerification?: boolean | undefined;
  /** ACL token; sent to the agent alone. Absent or "": none. */
  readonly token?: string | undefined;
  /** Absent: silence. */
  readonly logger?: Logger | undefined;
  /** PEM of the CAs to trust, in place of the well-known ones. */
  readonly ca?: string | undefined;
  /** PEM of the client certificate, with its chain; goes with `key`. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Replaces the transport, and with it what is said of TLS; closed with the client. */
  readonly transport?: Exchange | undefined;
}

/** Every option, checked and with its default. */
export interface ResolvedOptions {
  readonly address: URL;
  readonly httpTimeoutMs: number;
  readonly token: string;
  readonly logger: Logger | undefined;
  readonly tls: TlsOptions;
  readonly transport: Exchange | undefined;
}

const defaultAddress = "http://localhost:8500";
const defaultHttpTimeoutMs = 10_000;

/** Checks all there is to check, and says every default once. @throws {UsageError} */
export function resolveOptions(options: ConsulOptions): ResolvedOptions {
  requireOptions("options", options, optionNames);
  const {
    address = defaultAddress,
    httpTimeoutMs = defaultHttpTimeoutMs,
    skipTlsVerification = false,
    token = "",
    logger,
    ca,
    cert,
    key,
    transport,
  } = options;
  requireBoolean("options.skipTlsVerification", skipTlsVerification);
  // a header can hold no other
  if (typeof (token as unknown) !== "string" || !/^[\x20-\x7e]*$/.test(token))
    badArgument("options.token must be printable ASCII text");
  requireFunction("options.logger", logger);
  requireFunction("options.transport", transport);
  for (const [name, pem] of Object.entries({ ca, cert, key }))
    if (pem !== undefined) requireText(`options.${name}`, pem);
  if ((cert === undefined) !== (key === undefined)) badArgument("options.cert and options.key go together");
  return {
    address: parseAddress(address),
    httpTimeoutMs: checkTimeout(httpTimeoutMs),
    token,
    logger,
    tls: { ca, cert, key, rejectUnauthorized: !skipTlsVerification },
    transport,
  };
}

function checkTimeout(ms: number): number {
  if (typeof (ms as unknown) === "number" && ms <= 0) return defaultHttpTimeoutMs;
  requireMs("options.httpTimeoutMs", ms);
  return ms;
}

function parseAddress(address: string): URL {
  requireText("options.address", address);
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    badArgument('options.address must be a URL such as "http://localhost:8500"');
  }
  // it may stand in messages and logs
  if (url.username !== "" || url.password !== "")
    badArgument("options.address must not hold credentials: use options.token");
  if (url.search !== "" || url.hash !== "") badArgument("options.address must not hold a query or a fragment");
  return url;
}

const optionNames: ReadonlySet<string> = new Set<keyof ConsulOptions>([
  "address",
  "httpTimeoutMs",
  "skipTlsVerification",
  "token",
  "logger",
  "ca",
  "cert",
  "key",
  "transport",
]);
