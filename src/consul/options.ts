import type { Exchange } from "../http/exchange.js";
import { checkedTls, type TlsOptions } from "../http/tls-options.js";
import { safeCallback } from "../util/callback.js";
import { optional, requireFields, type Check, type Checks } from "../util/fields.js";
import {
  badArgument,
  kindOf,
  requireBoolean,
  requireFunction,
  requireMs,
  requireSender,
  requireText,
} from "../util/validate.js";

/**
 * Called with what a program's log may want: requests that failed, and what happens in elections. Never with values or
 * tokens. What it throws becomes a process warning.
 */
export type Logger = (message: string, fields?: object) => void;

/** Options of {@link createConsulClient}. */
export interface ConsulOptions {
  /** Base URL of the agent, http or https. @default "http://localhost:8500" */
  readonly address?: string | undefined;
  /** Limit for a whole request with its response, in ms; 0 or less for the default. Blocking queries have limits of their own. @default 10000 */
  readonly httpTimeoutMs?: number | undefined;
  /** Trusts any server, and sends it the token: for tests only. @default false */
  readonly skipTlsVerification?: boolean | undefined;
  /** ACL token; sent to the agent alone, never along a redirect. Absent or "": none. */
  readonly token?: string | undefined;
  /** @default none: nothing is logged */
  readonly logger?: Logger | undefined;
  /** PEM of the CAs to trust. @default the well-known ones */
  readonly ca?: string | undefined;
  /** PEM of the client certificate, with its chain; goes with `key`. Absent: none. */
  readonly cert?: string | undefined;
  /** PEM of the key of `cert`. */
  readonly key?: string | undefined;
  /** Replaces the transport, which then has to handle TLS itself. Closed with the client. @default got's */
  readonly transport?: Exchange | undefined;
}

/** What the layers on Consul take as their client. */
export const requireConsulClient: Check = (what, client) => {
  requireSender(what, client, "a client, as in createConsulClient()");
};

/** Every option, checked and with its default. */
export interface ResolvedOptions {
  readonly address: URL;
  readonly httpTimeoutMs: number;
  readonly token: string;
  readonly logger: Logger;
  readonly tls: TlsOptions;
  readonly transport: Exchange | undefined;
}

const defaultAddress = "http://localhost:8500";
const defaultHttpTimeoutMs = 10_000;

/** Checks the options and applies the defaults. @throws {UsageError} */
export function resolveOptions(options: ConsulOptions): ResolvedOptions {
  requireFields("options", options, optionChecks);
  const { ca, cert, key, transport, token = "", address = defaultAddress } = options;
  const { httpTimeoutMs = defaultHttpTimeoutMs, skipTlsVerification = false } = options;
  return {
    address: parseAddress(address),
    httpTimeoutMs: httpTimeoutMs <= 0 ? defaultHttpTimeoutMs : httpTimeoutMs,
    token,
    logger: safeCallback("options.logger", options.logger),
    tls: checkedTls({ ca, cert, key, rejectUnauthorized: !skipTlsVerification }, "options"),
    transport,
  };
}

function requireTimeout(what: string, ms: unknown): void {
  if (typeof ms !== "number" || !(ms <= 0)) requireMs(what, ms);
}

/** What a header can carry. It is not quoted, since it is a secret. */
function requireToken(what: string, token: unknown): void {
  if (typeof token !== "string") badArgument(`${what} must be a string, got ${kindOf(token)}`);
  if (!/^[\x20-\x7e]*$/.test(token)) badArgument(`${what} must be printable ASCII text`);
}

function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    // credentials, and tokens in a query, are not shown
    const given = /[@?]/.test(address) ? "" : `, got ${JSON.stringify(address)}`;
    badArgument(`options.address must be a URL such as "http://localhost:8500"${given}`);
  }
  // an address is shown in messages and logs
  if (url.username !== "" || url.password !== "")
    badArgument("options.address must not contain credentials: use options.token");
  if (url.search !== "" || url.hash !== "") badArgument("options.address must not contain a query or a fragment");
  return url;
}

const optionChecks: Checks<ConsulOptions> = {
  address: optional(requireText),
  httpTimeoutMs: optional(requireTimeout),
  skipTlsVerification: requireBoolean,
  token: optional(requireToken),
  logger: requireFunction,
  ca: optional(requireText),
  cert: optional(requireText),
  key: optional(requireText),
  transport: requireFunction,
};
