import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";

import { hostOf } from "../host.js";

/**
 * Makes a keep-alive agent of Node reuse its idle sockets without Node's bookkeeping, which copies the options of each
 * request twice, into objects of the slowest kind: a third of what a small request costs on Node 20 (see bench/). Node
 * still makes new connections, does TLS and destroys the agent. An agent whose internals are not as expected is left as
 * it is: it works, only slower.
 *
 * @param idleMs how long a socket may be idle before it is closed, in ms; less where the server says so
 */
export function quickReuse<T extends Agent>(agent: T, idleMs: number): T {
  const inside: AgentInside = agent;
  const { addRequest } = inside;
  const [keep, ...more] = agent.listeners("free");
  if (addRequest === undefined || keep === undefined || more.length > 0) {
    if (inside.options !== undefined) inside.options.timeout = idleMs;
    return agent;
  }
  const idle = new IdleSockets(idleMs);
  idleSocketsOf.set(agent, idle);
  inside.addRequest = (request, options) => {
    const socket = idle.take(nameOf(request, options));
    if (socket === undefined) {
      addRequest.call(agent, request, options);
      return;
    }
    request.reusedSocket = true;
    request.onSocket(socket);
  };
  agent.removeAllListeners("free");
  agent.on("free", (socket: SocketInside, options: Address) => {
    const request = socket._httpMessage;
    if (request?.shouldKeepAlive !== true || !socket.writable) keep.call(agent, socket, options);
    else idle.add(socket, request, options);
  });
  return agent;
}

/** Closes the idle sockets that any agent keeps for the origin of a URL. */
export function dropIdleSockets(agent: Agent, { protocol, hostname, port }: URL): void {
  const address = `${hostOf(hostname)}:${port === "" ? (protocol === "https:" ? "443" : "80") : port}`;
  idleSocketsOf.get(agent)?.drop(address);
  const { freeSockets } = agent as { readonly freeSockets?: Agent["freeSockets"] };
  for (const [name, sockets = []] of Object.entries(freeSockets ?? {})) {
    if (name.startsWith(`${address}:`)) for (const socket of [...sockets]) socket.destroy();
  }
}

const idleSocketsOf = new WeakMap<Agent, IdleSockets>();

/** What Node's agent has beyond its documentation, in Node 20 to 24. */
interface AgentInside extends Agent {
  addRequest?: (request: ClientRequest, options: Address) => void;
  options?: { timeout?: number | undefined };
}

interface Address {
  readonly host?: string | null | undefined;
  readonly port?: number | string | null | undefined;
}

interface SocketInside extends Socket {
  /** The request that it carries, or carried last. */
  _httpMessage?: FinishedRequest | null;
}

type FinishedRequest = ClientRequest & { readonly res?: IncomingMessage | null | undefined };

interface Kept {
  readonly socket: SocketInside;
  /** The idle sockets of the same name; this one is in it while it is idle. */
  readonly stack: Kept[];
  idle: boolean;
}

class IdleSockets {
  readonly #idleMs: number;
  readonly #byName = new Map<string, Kept[]>();
  readonly #kept = new WeakMap<Socket, Kept>();

  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  /** The socket that was released last. */
  take(name: string): Socket | undefined {
    const stack = this.#byName.get(name);
    for (let kept = stack?.pop(); kept !== undefined; kept = stack?.pop()) {
      kept.idle = false;
      if (!kept.socket.destroyed && kept.socket.writable) return kept.socket.ref();
    }
    return undefined;
  }

  /** Closes the idle sockets to an address, `host:port`. */
  drop(address: string): void {
    for (const [name, stack] of this.#byName) {
      if (name.startsWith(`${address} `)) for (const { socket } of [...stack]) socket.destroy();
    }
  }

  add(socket: SocketInside, request: FinishedRequest, address: Address): void {
    const ms = Math.min(this.#idleMs, serverLimitMs(request.res));
    if (ms <= 0) {
      socket.destroy();
      return;
    }
    const kept = this.#kept.get(socket) ?? this.#keep(socket, nameOf(request, address));
    // restarts with every byte, also of the requests to come
    if (socket.timeout !== ms) socket.setTimeout(ms);
    socket._httpMessage = null;
    kept.idle = true;
    kept.stack.push(kept);
    socket.unref();
  }

  /** The listeners stay for the socket's life: adding and removing them for each request would cost as much as Node's way. */
  #keep(socket: SocketInside, name: string): Kept {
    const stack = this.#stackOf(name);
    const kept: Kept = { socket, stack, idle: false };
    this.#kept.set(socket, kept);
    const drop = (): void => {
      if (kept.idle) socket.destroy();
    };
    socket.on("timeout", drop);
    // a response to no request: the next request would take it for its own
    socket.on("data", drop);
    // nothing else listens to an idle socket
    socket.on("error", drop);
    socket.once("close", () => {
      if (kept.idle) stack.splice(stack.indexOf(kept), 1);
      kept.idle = false;
    });
    return kept;
  }

  #stackOf(name: string): Kept[] {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const made: Kept[] = [];
    this.#byName.set(name, made);
    return made;
  }
}

/** Its address, and the name that its certificate was checked for: Node takes that from the host header. */
function nameOf(request: ClientRequest, { host, port }: Address): string {
  return `${host ?? ""}:${String(port ?? "")} ${String(request.getHeader("host") ?? "")}`;
}

/** The server's Keep-Alive timeout minus 1 s, since a request may be on its way when it runs out; in ms, `Infinity` if it sends none. */
function serverLimitMs(response: IncomingMessage | null | undefined): number {
  const keepAlive = String(response?.headers["keep-alive"] ?? "");
  const seconds = keepAlive === "" ? undefined : /\btimeout=(\d+)/.exec(keepAlive)?.[1];
  return seconds === undefined ? Infinity : Number(seconds) * 1_000 - 1_000;
}
