import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import type { Got, Request } from "got";
import { onAbort } from "../util/signals.js";
import type { Exchange, RawResponse, RequestLimits, RequestSpec, ResponseHead } from "./exchange.js";
import { leanRequestOptions } from "./lean-request-options.js";
import { isHandshakeAlert, networkError, timeoutError } from "./network-error.js";

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

/**
 * The default transport: one request to one URL through got's stream form (only it tells when the headers are there),
 * with got's retries, redirects, timeouts and status errors off. Long polls have an agent of their own. got is loaded
 * at the first request.
 */
export function gotExchange(tls: TlsOptions = {}): Exchange {
  const agents = { request: newAgents(tls), longPoll: newAgents(tls) };
  let loading: Promise<Instances> | undefined;
  let loaded: Instances | undefined;
  const exchange = async (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> => {
    const instances = (loaded ??= await (loading ??= loadGot(agents)));
    signal?.throwIfAborted();
    const got = instances[spec.longPoll === true ? "longPoll" : "request"][spec.method];
    return once(got, url, spec, signal, maxStaleSockets);
  };
  const close = (): void => {
    for (const { http, https } of [agents.request, agents.longPoll]) {
      http.destroy();
      https.destroy();
    }
  };
  return Object.assign(exchange, { close });
}

interface Agents {
  readonly http: http.Agent;
  readonly https: https.Agent;
}

/** An idle socket is dropped after 30 s, before most proxies would: a write on a socket that was just closed has an unknown outcome. */
const idleSocketMs = 30_000;

function newAgents(tls: TlsOptions): Agents {
  const keepAlive = { keepAlive: true, keepAliveMsecs: 30_000, timeout: idleSocketMs };
  const { ca, cert, key, passphrase, servername, rejectUnauthorized = true } = tls;
  const secure: https.AgentOptions = {
    ...keepAlive,
    rejectUnauthorized,
    ...(ca !== undefined && { ca: Array.isArray(ca) ? [...(ca as readonly (string | Buffer)[])] : (ca as string | Buffer) }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(passphrase !== undefined && { passphrase }),
    ...(servername !== undefined && { servername }),
  };
  return { http: new http.Agent(keepAlive), https: new https.Agent(secure) };
}

type Instances = Readonly<Record<"request" | "longPoll", Readonly<Record<RequestSpec["method"], Got>>>>;

/** One instance per method, with all that does not change: options of a call cost more than the call's own work. */
async function loadGot(agents: { readonly request: Agents; readonly longPoll: Agents }): Promise<Instances> {
  const { got } = await import("got");
  const base = got.extend({
    retry: { limit: 0 },
    followRedirect: false,
    throwHttpErrors: false,
    decompress: false,
    headers: { "user-agent": "etcd2" },
    handlers: [
      (options, next) => {
        leanRequestOptions(options);
        return next(options);
      },
    ],
  });
  const perMethod = (agent: Agents): Record<RequestSpec["method"], Got> => ({
    GET: base.extend({ agent, method: "GET" }),
    PUT: base.extend({ agent, method: "PUT" }),
    POST: base.extend({ agent, method: "POST" }),
    DELETE: base.extend({ agent, method: "DELETE" }),
  });
  return { request: perMethod(agents.request), longPoll: perMethod(agents.longPoll) };
}

/** How many sockets that the server had closed meanwhile a read may meet before that is a failure. */
const maxStaleSockets = 2;

function once(got: Got, url: URL, spec: RequestSpec, signal: AbortSignal | undefined, staleSockets: number): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const { limits = noLimits, longPoll = false } = spec;
    const stream = got.stream(url, streamOptions(spec));
    const sending = watchSending(stream);
    const chunks: Buffer[] = [];
    let head: ResponseHead | undefined;
    let timer: NodeJS.Timeout | undefined;
    let settled = false;

    const settle = (): void => {
      settled = true;
      clearTimeout(timer);
      off();
    };
    const fail = (error: () => unknown): void => {
      settle();
      stream.destroy();
      if (longPoll && endsEarly(head)) resolve({ status: 200, headers: {}, ...head, body: "", truncated: true });
      else reject(error());
    };
    const onTimeout = (): void => {
      // a silent long poll is not a failure, whether or not its headers came: a proxy may hold them back
      if (longPoll) head ??= { status: 200, headers: {} };
      const [code, ms] = head === undefined ? (["ERR_HEADER_TIMEOUT", limits.headersMs] as const) : (["ERR_BODY_TIMEOUT", limits.idleMs] as const);
      fail(() => timeoutError(code, ms, url, spec, sending.sent));
    };
    const arm = (ms: number): void => {
      clearTimeout(timer);
      timer = ms === Infinity ? undefined : setTimeout(onTimeout, ms);
    };
    const off = onAbort(signal, (reason) => {
      settle();
      stream.destroy();
      reject(reason);
    });

    arm(longPoll ? limits.idleMs : limits.headersMs);
    stream.on("response", (response: IncomingMessage) => {
      head = headOf(response);
      arm(limits.idleMs);
      try {
        spec.onHeaders?.(head);
      } catch (error) {
        settle();
        stream.destroy();
        reject(error);
      }
    });
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      timer?.refresh();
    });
    stream.on("end", () => {
      settle();
      if (head !== undefined) resolve({ ...head, body: Buffer.concat(chunks).toString() });
      else reject(networkError(url, spec, new Error("the answer ended before its headers"), sending.sent));
    });
    // stays on for the stream's life: an error without a listener would end the process
    stream.on("error", (error: Error) => {
      if (settled) return;
      if (spec.method === "GET" && head === undefined && sending.reused && staleSockets > 0) {
        settle();
        resolve(once(got, url, spec, signal, staleSockets - 1));
      } else fail(() => networkError(url, spec, error, sending.sent && !isHandshakeAlert(error)));
    });
    // a request without a body still wants its end said; got does so itself for GET
    if (spec.body === undefined && spec.method !== "GET") stream.end();
  });
}

const noLimits: RequestLimits = { headersMs: Infinity, idleMs: Infinity };

/** undefined where there is nothing to say: even an empty object would cost. */
function streamOptions({ body, headers }: RequestSpec): { headers?: Record<string, string>; body?: string | Uint8Array } | undefined {
  if (body !== undefined) return { body, ...(headers && { headers }) };
  return headers && { headers };
}

/** Headers of a watch come when it begins: what goes wrong after good ones ends the poll, and loses nothing. */
function endsEarly(head: ResponseHead | undefined): boolean {
  return head !== undefined && head.status < 300;
}

function headOf(response: IncomingMessage): ResponseHead {
  const headers: Record<string, string> = {};
  for (const name in response.headers) {
    const value = response.headers[name];
    if (typeof value === "string") headers[name] = value;
  }
  return { status: response.statusCode ?? 0, headers };
}

interface Sending {
  /** Whether the server may have got the request: from the moment its connection, with TLS its handshake, is there. */
  sent: boolean;
  /** Whether it went out on a kept connection, which the server may have closed meanwhile. */
  reused: boolean;
}

function watchSending(stream: Request): Sending {
  const sending: Sending = { sent: false, reused: false };
  const onSocket = (request: ClientRequest): void => {
    const { socket } = request;
    if (socket === null) return;
    sending.reused = request.reusedSocket;
    const handshake = "secureConnecting" in socket;
    const connecting = handshake ? socket.secureConnecting === true : socket.connecting;
    if (!connecting) sending.sent = true;
    else socket.once(handshake ? "secureConnect" : "connect", () => (sending.sent = true));
  };
  stream.once("request", (request: ClientRequest) => {
    if (request.socket === null) request.once("socket", () => { onSocket(request); });
    else onSocket(request);
  });
  return sending;
}
