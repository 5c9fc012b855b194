import type { KeysStore } from "../core/keys-store.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { isObject } from "../util/is-object.js";
import { badArgument, requireCount, requireMs, requireText, show } from "../util/validate.js";

/** What a server of the v2 API is made of, and its limits. */
export interface V2ServerOptions {
  /** Carries out the calls: `clientStore(client)`, or one of your own. Not closed with the server. */
  readonly store: KeysStore;
  /**
   * The client URLs that the membership reports for every member, so that clients that sync stay with this server.
   *
   * @default the URL that `listen` resolved to
   */
  readonly advertise?: readonly string[] | undefined;
  /** Requests at once, long polls included. Further ones get status 503. @default 10_000 */
  readonly maxRequests?: number | undefined;
  /** Connections of `listen` at once, idle ones included. Further ones are closed. @default 20_000 */
  readonly maxConnections?: number | undefined;
  /**
   * Bytes of request bodies in memory at once. A request that does not fit gets status 503. One body is at most 10 MiB, as
   * with etcd.
   *
   * @default 268_435_456 (256 MiB)
   */
  readonly maxBufferedBytes?: number | undefined;
  /**
   * Longest time for each step of a request, in ms: until `listen` has received it, until the store has responded (a later
   * response is replaced by status 500 with errorCode 300), and that a client may stop reading its response. A long poll
   * may wait for its event without limit.
   *
   * @default 60_000
   */
  readonly requestTimeoutMs?: number | undefined;
  /** How long `close()` waits for requests that are being served, in ms. Then it closes their connections. @default 10_000 */
  readonly closeTimeoutMs?: number | undefined;
}

/** Every option, checked and with its default. */
export type ResolvedServerOptions = {
  readonly [Name in Exclude<keyof V2ServerOptions, "advertise">]-?: Exclude<V2ServerOptions[Name], undefined>;
} & { readonly advertise: readonly string[] | undefined };

/** Where to listen. */
export interface ListenOptions {
  /** The address to bind to. @default "127.0.0.1" */
  readonly host?: string | undefined;
  /** 0: any free port. */
  readonly port: number;
  /** Serves HTTPS. Absent: plain HTTP. */
  readonly tls?: ListenTls | undefined;
}

/** The certificate of an HTTPS server. */
export interface ListenTls {
  /** PEM of the certificate, with the chain up to its CA. */
  readonly cert: string | Buffer;
  /** PEM of its private key. */
  readonly key: string | Buffer;
}

const defaultMaxRequests = 10_000;
const defaultMaxConnections = 20_000;
const defaultMaxBufferedBytes = 256 * 1024 * 1024;
const defaultRequestTimeoutMs = 60_000;
const defaultCloseTimeoutMs = 10_000;

/** Checks every option and applies the defaults. @throws {UsageError} `ERR_ARGUMENT` */
export function resolveServerOptions(options: V2ServerOptions): ResolvedServerOptions {
  requireFields("options", options, checks);
  const {
    store,
    advertise,
    maxRequests = defaultMaxRequests,
    maxConnections = defaultMaxConnections,
    maxBufferedBytes = defaultMaxBufferedBytes,
    requestTimeoutMs = defaultRequestTimeoutMs,
    closeTimeoutMs = defaultCloseTimeoutMs,
  } = options;
  return { store, advertise, maxRequests, maxConnections, maxBufferedBytes, requestTimeoutMs, closeTimeoutMs };
}

/** Checks where to listen. @throws {UsageError} `ERR_ARGUMENT` */
export function checkListenOptions(at: ListenOptions): void {
  requireFields("at", at, listenChecks);
}

const checks: Checks<V2ServerOptions> = {
  store: (what, value) => {
    const isStore = isObject(value) && typeof value["execute"] === "function" && typeof value["watch"] === "function";
    if (!isStore) badArgument(`${what} must be a KeysStore, such as clientStore(client), got ${show(value)}`);
  },
  advertise: optional((what, value) => {
    const urls = Array.isArray(value) ? value : badArgument(`${what} must be an array of URLs, got ${show(value)}`);
    for (const url of urls) {
      requireText(`an entry of ${what}`, url);
      const isHttp = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
      if (!isHttp) badArgument(`an entry of ${what} is not an http or https URL: ${JSON.stringify(url)}`);
    }
    if (urls.length === 0) badArgument(`${what} is empty`);
  }),
  maxRequests: optional(atLeastOne),
  maxConnections: optional(atLeastOne),
  maxBufferedBytes: optional(atLeastOne),
  requestTimeoutMs: optional(requireMs),
  closeTimeoutMs: optional(requireMs),
};

const listenChecks: Checks<ListenOptions> = {
  host: optional(requireText),
  port: (what, value) => {
    if (!Number.isSafeInteger(value) || Number(value) < 0 || Number(value) > 65_535)
      badArgument(`${what} must be a port from 0 to 65535, got ${show(value)}`);
  },
  tls: optional((what, value) => {
    requireFields(what, value as ListenTls, { cert: requirePem, key: requirePem });
  }),
};

function atLeastOne(what: string, value: unknown): void {
  requireCount(what, value, 1);
}

function requirePem(what: string, value: unknown): void {
  if (typeof value !== "string" && !Buffer.isBuffer(value))
    badArgument(`${what} must be PEM as a string or Buffer, got ${show(value)}`);
}
