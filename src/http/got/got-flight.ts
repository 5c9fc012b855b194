import type { ClientRequest, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { RequestSpec } from "../exchange.js";
import { tcpKeepAliveMs } from "../kept-connections.js";
import type { Flight } from "../pending-answer.js";

/** What this fills in of got's options, which are those of one request. */
export interface FillableOptions {
  readonly headers: Record<string, string | readonly string[] | undefined>;
  body?: unknown;
}

/** One request by got: what is said of it beyond what its instance says, its way to the network, and what becomes of it there. */
export class GotFlight implements Flight {
  sent = false;
  reused = false;
  readonly resolve: Flight["resolve"];
  readonly reject: Flight["reject"];
  readonly #spec: RequestSpec;
  #stream: Duplex | undefined;
  #request: ClientRequest | undefined;

  constructor(spec: RequestSpec, resolve: Flight["resolve"], reject: Flight["reject"]) {
    this.#spec = spec;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** In a handler of got's, before the request is made. */
  fill(options: FillableOptions): void {
    const { headers, body, bytes } = this.#spec;
    for (const name in headers) options.headers[name] = headers[name];
    if (body !== undefined) options.body = body;
    else if (bytes !== undefined) options.body = bytes;
  }

  /** Writes the request that Node has made, and waits for the head of its answer. */
  readonly send = (request: ClientRequest): Promise<IncomingMessage> => {
    this.#watch(request);
    const { body, bytes } = this.#spec;
    return new Promise((resolve, reject) => {
      request.once("response", (head: IncomingMessage) => {
        request.removeListener("close", onClose);
        resolve(head);
      });
      // stays on for the request's life: an error without a listener would end the process
      request.on("error", reject);
      request.once("close", onClose);
      function onClose(): void {
        // without an answer or an error: a 101 that nobody asked for
        reject(Object.assign(new Error("socket hang up"), { code: "ECONNRESET" }));
      }
      request.end(body ?? bytes);
    });
  };

  follow(stream: Duplex): void {
    this.#stream = stream;
    // told only where got sends it itself
    stream.once("request", (request: ClientRequest) => {
      this.#watch(request);
    });
    // a request without a body still wants its end said; got does so itself for GET
    const { method, body, bytes } = this.#spec;
    if (method !== "GET" && body === undefined && bytes === undefined) stream.end();
  }

  cancel(): void {
    this.#stream?.destroy();
    this.#request?.destroy();
    this.letGo();
  }

  /** It is over. Held any longer, a request and all that hangs on it would survive into the old generation, and cost half as much again. */
  letGo(): void {
    this.#stream = this.#request = undefined;
  }

  #watch(request: ClientRequest): void {
    this.#request = request;
    if (request.socket === null) {
      request.once("socket", () => {
        this.#onSocket(request);
      });
    } else this.#onSocket(request);
  }

  #onSocket({ socket, reusedSocket }: ClientRequest): void {
    if (socket === null) return;
    this.reused = reusedSocket;
    const handshake = "secureConnecting" in socket;
    const connecting = handshake ? socket.secureConnecting === true : socket.connecting;
    if (!connecting) {
      this.sent = true;
      return;
    }
    socket.once(handshake ? "secureConnect" : "connect", () => (this.sent = true));
    // of TLS sockets the agent's own would come only when they are let go, on Node 20 and 22: too late for a first long poll
    socket.setKeepAlive(true, tcpKeepAliveMs);
  }
}
