import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import type { Agent as SecureAgent } from "node:https";
import type { Got, Request } from "got";
import type { Exchange, RawResponse, RequestSpec, ResponseHead } from "./exchange.js";
import { leanRequestOptions } from "./lean-request-options.js";
import { isHandshakeAlert } from "./network-error.js";
import { PendingAnswer } from "./pending-answer.js";
import { nodeTlsOptions, type TlsOptions } from "./tls-options.js";

/**
 * The default transport: one request to one URL through got's stream form (only it tells when the headers are there),
 * with got's retries, redirects, timeouts and status errors off. Long polls have an agent of their own. got, and what it
 * stands on, is loaded at the first request.
 */
export function gotExchange(tls: TlsOptions = {}): Exchange {
  let loading: Promise<Loaded> | undefined;
  let loaded: Loaded | undefined;
  const exchange = async (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> => {
    loaded ??= await (loading ??= load(tls));
    signal?.throwIfAborted();
    const got = loaded[spec.longPoll === true ? "longPoll" : "request"][spec.method];
    return once(got, url, spec, signal, maxStaleSockets);
  };
  const close = (): void => {
    for (const agent of loaded?.agents ?? []) agent.destroy();
  };
  return Object.assign(exchange, { close });
}

interface Loaded {
  readonly request: Instances;
  readonly longPoll: Instances;
  readonly agents: readonly Agent[];
}

/** One per method, with all that does not change: options of a call cost more than the call's own work. */
type Instances = Readonly<Record<RequestSpec["method"], Got>>;

/** An idle socket is dropped after 30 s, before most proxies would: a write on a socket that was just closed has an unknown outcome. */
const idleSocketMs = 30_000;

async function load(tls: TlsOptions): Promise<Loaded> {
  const [{ got }, http, https] = await Promise.all([import("got"), import("node:http"), import("node:https")]);
  const keepAlive = { keepAlive: true, keepAliveMsecs: 30_000, timeout: idleSocketMs };
  const newAgents = (): { http: Agent; https: SecureAgent } => ({
    http: new http.Agent(keepAlive),
    https: new https.Agent({ ...keepAlive, ...nodeTlsOptions(tls) }),
  });
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
  const perMethod = (agent: ReturnType<typeof newAgents>): Instances => ({
    GET: base.extend({ agent, method: "GET" }),
    PUT: base.extend({ agent, method: "PUT" }),
    POST: base.extend({ agent, method: "POST" }),
    DELETE: base.extend({ agent, method: "DELETE" }),
  });
  const [requests, longPolls] = [newAgents(), newAgents()];
  const agents = [...Object.values(requests), ...Object.values(longPolls)];
  return { request: perMethod(requests), longPoll: perMethod(longPolls), agents };
}

/** How many sockets that the server had closed meanwhile a read may meet before that is a failure. */
const maxStaleSockets = 2;

function once(got: Got, url: URL, spec: RequestSpec, signal: AbortSignal | undefined, staleSockets: number, sinceMs = performance.now()): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const stream = got.stream(url, streamOptions(spec));
    const flight = { sent: false, reused: false, cancel: () => stream.destroy(), resolve, reject };
    watchSending(stream, flight);
    const answer = new PendingAnswer(url, spec, signal, flight, sinceMs);
    stream.on("response", (response: IncomingMessage) => {
      answer.begin(headOf(response));
    });
    stream.on("data", (chunk: Buffer) => {
      answer.take(chunk);
    });
    stream.on("end", () => {
      answer.end();
    });
    // stays on for the stream's life: an error without a listener would end the process
    stream.on("error", (error: Error) => {
      // on a kept connection the handshake is long over
      if (isHandshakeAlert(error) && !flight.reused) flight.sent = false;
      answer.fail(error, staleSockets > 0 ? () => once(got, url, spec, signal, staleSockets - 1, sinceMs) : undefined);
    });
    // a request without a body still wants its end said; got does so itself for GET
    if (spec.body === undefined && spec.bytes === undefined && spec.method !== "GET") stream.end();
  });
}

/** undefined where there is nothing to say: even an empty object would cost. */
function streamOptions(spec: RequestSpec): { headers?: Record<string, string>; body?: string | Uint8Array } | undefined {
  const { headers } = spec;
  const body = spec.body ?? spec.bytes;
  if (body !== undefined) return { body, ...(headers && { headers }) };
  return headers && { headers };
}

function headOf(response: IncomingMessage): ResponseHead {
  const headers: Record<string, string> = {};
  for (const name in response.headers) {
    const value = response.headers[name];
    if (typeof value === "string") headers[name] = value;
  }
  return { status: response.statusCode ?? 0, headers };
}

function watchSending(stream: Request, sending: { sent: boolean; reused: boolean }): void {
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
}
