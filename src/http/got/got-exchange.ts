import type { Agent, IncomingMessage } from "node:http";
import type { Agent as SecureAgent } from "node:https";
import type { Duplex } from "node:stream";
import type { Got } from "got";
import { abortable } from "../../util/signals.js";
import type { Exchange, RawResponse, RequestSpec } from "../exchange.js";
import { GotFlight } from "./got-flight.js";
import { idleConnectionMs, maxStaleConnections, tcpKeepAliveMs } from "../kept-connections.js";
import { isHandshakeAlert } from "../network-error.js";
import { PendingAnswer } from "../pending-answer.js";
import { singleHeaders } from "../single-headers.js";
import { nodeTlsOptions, type TlsOptions } from "../tls-options.js";

/**
 * The default transport: one request to one URL through got's stream form (only it tells when the headers are there),
 * with got's retries, redirects, timeouts and status errors off. Long polls have an agent of their own. got, and what it
 * stands on, is loaded at the first request.
 */
export function gotExchange(tls: TlsOptions = {}): Exchange {
  let loading: Promise<Loaded> | undefined;
  let loaded: Loaded | undefined;
  const exchange = async (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> => {
    loaded ??= await abortable((loading ??= load(tls)), signal);
    signal?.throwIfAborted();
    return once(loaded, url, spec, signal, maxStaleConnections);
  };
  const close = (): void => {
    for (const agent of loaded?.agents ?? []) agent.destroy();
  };
  return Object.assign(exchange, { close, sharesSignals: true });
}

interface Loaded {
  readonly request: Instances;
  readonly longPoll: Instances;
  readonly agents: readonly Agent[];
  /** Whose request the next call of an instance is. */
  starting: GotFlight | undefined;
}

/** One per method, with all that does not change: options of a call cost more than the call's own work. */
type Instances = Readonly<Record<RequestSpec["method"], Got>>;

async function load(tls: TlsOptions): Promise<Loaded> {
  const [{ got }, { leanRequestOptions, requestForGot }, { quickReuse }, http, https] = await Promise.all([
    import("got"),
    import("./lean-request-options.js"),
    import("./quick-reuse.js"),
    import("node:http"),
    import("node:https"),
  ]);
  const keepAlive = { keepAlive: true, keepAliveMsecs: tcpKeepAliveMs };
  const newAgents = (): { http: Agent; https: SecureAgent } => ({
    http: quickReuse(new http.Agent(keepAlive), idleConnectionMs),
    https: quickReuse(new https.Agent({ ...keepAlive, ...nodeTlsOptions(tls) }), idleConnectionMs),
  });
  const base = got.extend({
    isStream: true,
    // empty lists: got copies them for every request
    retry: { limit: 0, methods: [], statusCodes: [], errorCodes: [] },
    followRedirect: false,
    throwHttpErrors: false,
    decompress: false,
    headers: { "user-agent": "etcd2" },
    request: requestForGot,
    handlers: [
      (options, next) => {
        const flight = loaded.starting;
        flight?.fill(options);
        leanRequestOptions(options, flight?.send);
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
  const loaded: Loaded = { request: perMethod(requests), longPoll: perMethod(longPolls), agents, starting: undefined };
  return loaded;
}

function once(
  loaded: Loaded,
  url: URL,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
  staleSockets: number,
  sinceMs = performance.now(),
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const flight = new GotFlight(spec, resolve, reject);
    const stream = start(loaded, flight, url, spec);
    const answer = new PendingAnswer(url, spec, signal, flight, sinceMs);
    stream.on("response", ({ statusCode: status = 0, headers }: IncomingMessage) => {
      answer.begin({ status, headers: singleHeaders(headers) });
    });
    stream.on("data", (chunk: Buffer) => {
      answer.take(chunk);
    });
    stream.on("end", () => {
      flight.letGo();
      answer.end();
    });
    // stays on for the stream's life: an error without a listener would end the process
    stream.on("error", (error: Error) => {
      // on a kept connection the handshake is long over
      if (isHandshakeAlert(error) && !flight.reused) flight.sent = false;
      answer.fail(
        error,
        staleSockets > 0 ? () => once(loaded, url, spec, signal, staleSockets - 1, sinceMs) : undefined,
      );
    });
  });
}

/** got's handlers run within the call, so that the flight can be handed to ours without an options object. */
function start(loaded: Loaded, flight: GotFlight, url: URL, spec: RequestSpec): Duplex {
  loaded.starting = flight;
  try {
    const stream = loaded[spec.longPoll === true ? "longPoll" : "request"][spec.method](url);
    if (!isStream(stream)) throw new TypeError("got gave no stream");
    flight.follow(stream);
    return stream;
  } finally {
    loaded.starting = undefined;
  }
}

function isStream(made: object): made is Duplex {
  return "destroy" in made;
}
