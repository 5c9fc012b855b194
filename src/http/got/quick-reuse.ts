import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/**
 * Has a keep-alive agent of Node's hand out its idle sockets without the bookkeeping, which copies the options of each request
 * twice, into objects of the slowest kind: a third of what a small request costs on Node 20 (see bench/). New connections, TLS
 * and the end of all stay Node's. An agent whose inside is not as expected is left as it is: it works, only slower.
 *
 * @param idleMs how long a socket may be idle before it is dropped; less where the server says so
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

/** What Node's agent has beyond its documentation, in 20 to 24. */
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
  _httpMessage?: AnsweredRequest | null;
}

type AnsweredRequest = ClientRequest & { readonly res?: IncomingMessage | null | undefined };

interface Kept {
  readonly socket: SocketInside;
  /** Where it waits while it is idle, with the others of its name. */
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

  /** The one that was last let go. */
  take(name: string): Socket | undefined {
    const stack = this.#byName.get(name);
    for (let kept = stack?.pop(); kept !== undefined; kept = stack?.pop()) {
      kept.idle = false;
      if (!kept.socket.destroyed && kept.socket.writable) return kept.socket.ref();
    }
    return undefined;
  }

  add(socket: SocketInside, request: AnsweredRequest, address: Address): void {
    const ms = Math.min(this.#idleMs, serverLimitMs(request.res));
    if (ms <= 0) {
      socket.destroy();
      return;
    }
    const kept = this.#kept.get(socket) ?? this.#keep(socket, nameOf(request, address));
    // runs anew from every byte, also of the requests to come
    if (socket.timeout !== ms) socket.setTimeout(ms);
    socket._httpMessage = null;
    kept.idle = true;
    kept.stack.push(kept);
    socket.unref();
  }

  /** Listeners for the socket's life: to add and remove them for each request would cost as much as Node's way. */
  #keep(socket: SocketInside, name: string): Kept {
    const stack = this.#stackOf(name);
    const kept: Kept = { socket, stack, idle: false };
    this.#kept.set(socket, kept);
    const drop = (): void => {
      if (kept.idle) socket.destroy();
    };
    socket.on("timeout", drop);
    // an answer that nobody asked for: the next request would take it for its own
    socket.on("data", drop);
    // while idle, nobody else listens
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

/** Where it goes, and the name by which a certificate was checked there: Node takes that from the host header. */
function nameOf(request: ClientRequest, { host, port }: Address): string {
  return `${host ?? ""}:${String(port ?? "")} ${String(request.getHeader("host") ?? "")}`;
}

/** How long the server says that it keeps the connection, less a second for what is under way by then; in ms, `Infinity` for no word. */
function serverLimitMs(answer: IncomingMessage | null | undefined): number {
  const said = String(answer?.headers["keep-alive"] ?? "");
  const seconds = said === "" ? undefined : /\btimeout=(\d+)/.exec(said)?.[1];
  return seconds === undefined ? Infinity : Number(seconds) * 1_000 - 1_000;
}
