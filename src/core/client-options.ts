import { parseEndpoint, type Endpoint } from "./cluster/endpoint.js";
import { EndpointSelectionMode } from "./cluster/selection.js";
import type { Exchange, Protocol, RequestLimits } from "../http/exchange.js";
import { checkedAgents, type OwnAgents } from "../http/got/own-agents.js";
import { defaultMaxBodyBytes } from "../http/connection-limits.js";
import { checkedTls, type TlsOptions } from "../http/tls-options.js";
import { anything, optional, requireFields, type Check, type Checks, type OtherNames } from "../util/fields.js";
import {
  badArgument,
  kindOf,
  requireBoolean,
  requireCount,
  requireFunction,
  requireMs,
  requireRetryForMs,
  requireText,
  show,
} from "../util/validate.js";

/** Options of a {@link Client}. */
export interface ClientOptions {
  /** Base URLs of the cluster's servers, http or https, e.g. "http://127.0.0.1:2379"; at least one. */
  readonly endpoints: readonly (string | URL)[];
  /** Which endpoint a call tries first. @default "random" */
  readonly selectionMode?: EndpointSelectionMode | undefined;
  /** The user for basic auth. Credentials are sent to endpoints only. Absent or "": none are sent. */
  readonly username?: string | undefined;
  /** The user's password. @default "" */
  readonly password?: string | undefined;
  /** Longest wait for one request's headers, in ms, connecting included; each endpoint and each redirect has its own. Long polls ignore it. @default 5000 */
  readonly headerTimeoutMs?: number | undefined;
  /** Longest silence within a response body, in ms. Ignored for long polls. @default 30000 */
  readonly bodyIdleTimeoutMs?: number | undefined;
  /** Longest time from the headers to the end of the body, in ms: ends a body that trickles without end. Long polls ignore it. @default 300000 */
  readonly bodyTimeoutMs?: number | undefined;
  /** Largest body of a response, in bytes. A larger one is cut off, and the call rejects with `ERR_BODY_TOO_LARGE`. @default 134217728 (128 MiB) */
  readonly maxBodyBytes?: number | undefined;
  /** How long a long poll may be silent before it is sent again to the next endpoint, in ms. @default Infinity */
  readonly watchIdleTimeoutMs?: number | undefined;
  /** The value of `quorum` for a `get` that does not specify it. @default false */
  readonly quorumReads?: boolean | undefined;
  /** Redirects followed per attempt. @default 10 */
  readonly maxRedirects?: number | undefined;
  /**
   * Throws to refuse a redirect to `location`; `via` counts the requests made before it. Absent: only safe redirects
   * are followed.
   */
  readonly checkRedirect?: ((via: number, location: URL) => void) | undefined;
  /** Calls at once; others wait their turn. Long polls are not counted. @default 256 */
  readonly maxInFlight?: number | undefined;
  /**
   * How long calls to which no endpoint responds are retried, with growing pauses, in ms: long enough, they outlast an
   * election of the cluster leader. For calls that may be sent again: reads; writes without a condition, as long as no
   * earlier sending may still be applied later; other writes if certainly nothing of them was sent. No attempt begins
   * after that time. `Infinity`: until it works, or the signal aborts. @default 0, never
   */
  readonly retryForMs?: number | undefined;
  /** What TLS connections need. Absent: Node's defaults. */
  readonly tls?: TlsOptions | undefined;
  /**
   * Node agents for the default transport, for proxies and the like. They keep their own limits, and their owner destroys them.
   * Absent: the client makes its own, and does not use the environment's proxies.
   */
  readonly agent?: OwnAgents | undefined;
  /**
   * How the client speaks to its servers, such as `v3Protocol()` of `etcd2/v3`. Absent: by the v2 API.
   *
   * A protocol belongs to one client.
   */
  readonly protocol?: Protocol | undefined;
  /** Replaces the transport, and with it what `tls` and `agent` say; closed with the client. */
  readonly transport?: Exchange | undefined;
}

/** Every option, checked and with its default. */
export interface ResolvedOptions {
  readonly endpoints: readonly Endpoint[];
  readonly selectionMode: EndpointSelectionMode;
  /** The `authorization` header; undefined without credentials. */
  readonly authorization: string | undefined;
  readonly requestLimits: RequestLimits;
  readonly pollLimits: RequestLimits;
  readonly quorumReads: boolean;
  readonly maxRedirects: number;
  readonly checkRedirect: ((via: number, location: URL) => void) | undefined;
  readonly maxInFlight: number;
  readonly retryForMs: number;
  readonly tls: TlsOptions;
  readonly agent: OwnAgents;
  readonly protocol: Protocol | undefined;
  readonly transport: Exchange | undefined;
}

const defaultHeaderTimeoutMs = 5_000;
const defaultBodyIdleTimeoutMs = 30_000;
const defaultBodyTimeoutMs = 300_000;
const defaultMaxRedirects = 10;
const defaultMaxInFlight = 256;

/** Checks every option and applies the defaults. */
export function resolveClientOptions(options: ClientOptions): ResolvedOptions {
  const given: unknown = options;
  if (typeof given !== "object" || given === null || Array.isArray(given))
    badArgument(`the client needs options, as in ${example}; got ${kindOf(given)}`);
  requireFields("options", options, clientChecks, otherNames);
  const {
    endpoints,
    selectionMode = EndpointSelectionMode.random,
    username = "",
    password = "",
    headerTimeoutMs = defaultHeaderTimeoutMs,
    bodyIdleTimeoutMs = defaultBodyIdleTimeoutMs,
    bodyTimeoutMs = defaultBodyTimeoutMs,
    maxBodyBytes = defaultMaxBodyBytes,
    watchIdleTimeoutMs = Infinity,
    quorumReads = false,
    maxRedirects = defaultMaxRedirects,
    checkRedirect,
    maxInFlight = defaultMaxInFlight,
    retryForMs = 0,
    tls = {},
    agent = {},
    protocol,
    transport,
  } = options;
  return {
    endpoints: parseEndpoints(endpoints),
    selectionMode,
    authorization: authorizationOf(username, password),
    requestLimits: {
      headersMs: headerTimeoutMs,
      idleMs: bodyIdleTimeoutMs,
      bodyMs: bodyTimeoutMs,
      bodyBytes: maxBodyBytes,
    },
    pollLimits: { headersMs: Infinity, idleMs: watchIdleTimeoutMs, bodyBytes: maxBodyBytes },
    quorumReads,
    maxRedirects,
    checkRedirect,
    maxInFlight,
    retryForMs,
    tls: checkedTls(tls),
    agent: checkedAgents(agent),
    protocol,
    transport,
  };
}

/** Reads a list of endpoints, which must not be empty. */
export function parseEndpoints(endpoints: readonly (string | URL)[]): readonly Endpoint[] {
  requireEndpoints("options.endpoints", endpoints);
  return endpoints.map(parseEndpoint);
}

function requireEndpoints(what: string, endpoints: unknown): void {
  if (!Array.isArray(endpoints))
    badArgument(`${what} must be an array of URLs, as in ${example}; got ${kindOf(endpoints)}`);
  if (endpoints.length === 0) badArgument(`client: no endpoints available: ${what} is empty`);
}

function authorizationOf(username: string, password: string): string | undefined {
  if (username === "") return undefined;
  // servers split at the first colon: such a user may exist, but can never log in
  if (username.includes(":")) badArgument('options.username must not contain ":"');
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function requireSelectionMode(what: string, mode: unknown): void {
  const modes: readonly unknown[] = Object.values(EndpointSelectionMode);
  if (!modes.includes(mode)) badArgument(`${what} must be one of ${modes.join(", ")}, got ${show(mode)}`);
}

function atLeast(min: number): Check {
  return (what, value) => {
    requireCount(what, value, min);
  };
}

/** Options as a message shows them. */
const example = '{ endpoints: ["http://127.0.0.1:2379"] }';

const clientChecks: Checks<ClientOptions> = {
  endpoints: requireEndpoints,
  selectionMode: optional(requireSelectionMode),
  username: optional(requireText),
  password: optional(requireText),
  headerTimeoutMs: optional(requireMs),
  bodyIdleTimeoutMs: optional(requireMs),
  bodyTimeoutMs: optional(requireMs),
  maxBodyBytes: optional(atLeast(1)),
  watchIdleTimeoutMs: optional(requireMs),
  quorumReads: requireBoolean,
  maxRedirects: optional(atLeast(0)),
  checkRedirect: requireFunction,
  maxInFlight: optional(atLeast(1)),
  retryForMs: optional(requireRetryForMs),
  // checked field by field where they are read
  tls: anything,
  agent: anything,
  protocol: requireFunction,
  transport: requireFunction,
};

/** What other clients of etcd, and other libraries, call these options. */
const otherNames: OtherNames = {
  'did you mean "endpoints"?':
    "address addresses baseurl host hosts href machines nodes peers server servers uri uris url urls",
  [`write the port into the endpoint, as in ${example}`]: "port",
  'pass "username" and "password"': "auth basicauth credentials",
  'did you mean "headerTimeoutMs"?': "connecttimeout dialtimeout requesttimeout timeout timeoutms",
  'did you mean "tls"?': "https ssl sslopts ssloptions tlsoptions",
  'it is a field of "tls"': "ca cert key passphrase rejectunauthorized servername",
  'did you mean "retryForMs"?': "maxretries maxretry retries retry",
};
