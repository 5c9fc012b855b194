import type { Agent } from "node:http";
import type { Agent as SecureAgent } from "node:https";
import type { ConnectionOptions } from "node:tls";
import type { Duplex } from "node:stream";
import type { Got } from "got";
import { addressTimeoutMs, idleConnectionMs, tcpKeepAliveMs } from "../connection-limits.js";
import type { RawResponse, RequestSpec } from "../exchange.js";
import { sendByGot, type GotRequest } from "./got-request.js";
import type { OwnAgents } from "./own-agents.js";
import { TickRecord } from "./tick-record.js";

/** Sends requests through got. */
export interface GotSender {
  readonly send: (url: URL, spec: RequestSpec, signal: AbortSignal | undefined) => Promise<RawResponse>;
  /** Closes all connections. */
  readonly close: () => void;
}

/** Loads got, and prepares it. */
export async function loadGot(tls: ConnectionOptions, ownAgents: OwnAgents): Promise<GotSender> {
  const transport = await load(tls, ownAgents);
  return {
    send: (url, spec, signal) => sendByGot(transport, url, spec, signal, performance.now()),
    close: () => {
      transport.close();
    },
  };
}

/** got, prepared: what is loaded, and the agents that keep the connections. */
export interface GotTransport {
  /** Starts a request. got calls its handlers at once, so that the request reaches ours without an options object. */
  start(request: GotRequest, url: URL, spec: RequestSpec): Duplex;
  /** Not used, but held. */
  readonly tickRecord: TickRecord;
  /** Closes the idle connections to the origin of that URL. */
  dropIdle(url: URL): void;
  /** Closes all connections. */
  close(): void;
}

interface Agents {
  readonly http: Agent;
  readonly https: SecureAgent;
}

/** One for each method, with all that does not change: options of a call cost more than the call's own work. */
type Instances = Readonly<Record<RequestSpec["method"], Got>>;

async function load(tls: ConnectionOptions, ownAgents: OwnAgents): Promise<GotTransport> {
  const tickRecord = new TickRecord();
  const [{ got }, { leanRequestOptions, requestForGot }, { quickReuse, dropIdleSockets }, http, https] =
    await Promise.all([
      import("got"),
      import("./lean-request-options.js"),
      import("./quick-reuse.js"),
      import("node:http"),
      import("node:https"),
    ]);
  const keepAlive = {
    keepAlive: true,
    keepAliveMsecs: tcpKeepAliveMs,
    autoSelectFamilyAttemptTimeout: addressTimeoutMs,
  };
  const newAgents = (): Agents => ({
    http: quickReuse(new http.Agent(keepAlive), idleConnectionMs),
    https: quickReuse(new https.Agent({ ...keepAlive, ...tls }), idleConnectionMs),
  });
  /** The request that the next call of an instance is for. */
  let starting: GotRequest | undefined;
  const base = got.extend({
    isStream: true,
    // empty lists: got copies them for every request
    retry: { limit: 0, methods: [], statusCodes: [], errorCodes: [] },
    followRedirect: false,
    throwHttpErrors: false,
    decompress: false,
    headers: { "user-agent": "etcd2", "accept-encoding": "identity" },
    request: requestForGot,
    handlers: [
      (options, next) => {
        starting?.fill(options);
        leanRequestOptions(options, starting?.send, ownAgents.https && tls);
        return next(options);
      },
    ],
  });
  const perMethod = (agents: Agents): Instances => {
    const agent = {
      http: ownAgents.http ?? agents.http,
      https: ownAgents.https ?? agents.https,
    };
    return {
      GET: base.extend({ agent, method: "GET" }),
      PUT: base.extend({ agent, method: "PUT" }),
      POST: base.extend({ agent, method: "POST" }),
      DELETE: base.extend({ agent, method: "DELETE" }),
    };
  };
  const made = [newAgents(), newAgents()] as const;
  const [requests, longPolls] = [perMethod(made[0]), perMethod(made[1])];
  const ours = made.flatMap((agents): Agent[] => [agents.http, agents.https]);
  const all = [...ours, ownAgents.http, ownAgents.https].filter((agent) => agent !== undefined);
  return {
    start(request, url, spec) {
      starting = request;
      try {
        const stream = (spec.longPoll === true ? longPolls : requests)[spec.method](url);
        if (!isStream(stream)) throw new TypeError("got returned no stream");
        return stream;
      } finally {
        starting = undefined;
      }
    },
    tickRecord,
    dropIdle(url) {
      for (const agent of all) dropIdleSockets(agent, url);
    },
    close() {
      for (const agent of ours) agent.destroy();
    },
  };
}

function isStream(made: object): made is Duplex {
  return "destroy" in made;
}
