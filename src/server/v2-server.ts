import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { SdkError } from "../util/errors.js";
import { Notifier } from "../util/notifier.js";
import { badArgument } from "../util/validate.js";
import { textResponse } from "./responses.js";
import { createFace, type Face } from "./face.js";
import { HttpListener } from "./http-listener.js";
import { ByteBudget, readRequest, TooManyBytesError, writeResponse } from "./http-server.js";
import type { HttpResponse } from "./messages.js";
import { ServedStore } from "./served-store.js";
import {
  checkListenOptions,
  resolveServerOptions,
  type ListenOptions,
  type ResolvedServerOptions,
  type V2ServerOptions,
} from "./v2-server-options.js";

/** etcd's v2 HTTP API in front of a store. */
export interface V2Server extends AsyncDisposable {
  /**
   * For an HTTP server of your own. Make that with a `maxHeaderSize` of 1 MiB, as etcd has it, and limit its connections and
   * the time until a request has arrived; the other limits are kept.
   */
  readonly handler: RequestListener;
  /**
   * Begins to listen; resolves to the server's URL.
   *
   * @throws {UsageError} `ERR_ARGUMENT`: a bad option, or no `advertise` for an address that stands for all addresses
   * @throws the network's error, such as `EADDRINUSE`
   */
  listen(at: ListenOptions): Promise<string>;
  /**
   * Takes no more connections, ends long polls with an empty body, as etcd does when it stops, and waits for other requests
   * up to `closeTimeoutMs`. Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Makes a server that speaks etcd's v2 HTTP API, for programs in any language.
 *
 * @example
 * const client = new Client({ endpoints, protocol: v3Protocol() });
 * await using server = createV2Server({ store: clientStore(client) });
 * console.log(await server.listen({ port: 4001 }));
 *
 * @throws {UsageError} `ERR_ARGUMENT` for a bad option
 */
export function createV2Server(options: V2ServerOptions): V2Server {
  return new HttpV2Server(resolveServerOptions(options));
}

class HttpV2Server implements V2Server {
  readonly handler: RequestListener;
  readonly #options: ResolvedServerOptions;
  readonly #store: ServedStore;
  readonly #face: Face;
  readonly #listener: HttpListener;
  readonly #bodies: ByteBudget;
  readonly #ended = new Notifier();
  #url = "";
  #requests = 0;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedServerOptions) {
    this.#options = options;
    const { store, advertise, requestTimeoutMs, maxBufferedBytes } = options;
    const served = new ServedStore({ store, timeoutMs: requestTimeoutMs, advertise: () => advertise ?? [this.#url] });
    this.#store = served;
    this.#face = createFace(served, {
      version: "3.4",
      get clusterId() {
        return served.clusterId;
      },
    });
    this.#bodies = new ByteBudget(maxBufferedBytes);
    this.handler = (request, response) => {
      void this.#serve(request, response);
    };
    this.#listener = new HttpListener(this.handler, options);
  }

  async listen(at: ListenOptions): Promise<string> {
    checkListenOptions(at);
    const { host = "" } = at;
    if (this.#options.advertise === undefined && isEveryAddress(host))
      badArgument(`to listen on ${host}, the URLs at which clients reach this server are needed: options.advertise`);
    this.#url = await this.#listener.listen(at);
    return this.#url;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { closeTimeoutMs } = this.#options;
    const end = closeTimeoutMs === Infinity ? undefined : AbortSignal.timeout(closeTimeoutMs);
    const listenerClosed = this.#listener.close(closeTimeoutMs);
    this.#store.endWatches();
    // requests of a server of the user's own, whose connections are not ours to close
    while (this.#requests > 0 && end?.aborted !== true) await this.#ended.wait(end).catch(() => undefined);
    await listenerClosed;
  }

  async #serve(incoming: IncomingMessage, to: ServerResponse): Promise<void> {
    const gone = new AbortController();
    to.once("close", () => {
      gone.abort();
    });
    const { requestTimeoutMs } = this.#options;
    const body = this.#bodies.share();
    this.#requests++;
    try {
      const response = await this.#respond(incoming, body, gone.signal);
      if (this.#closing !== undefined) to.setHeader("Connection", "close");
      // etcd does not say that it keeps connections, and keeps them
      else to.removeHeader("Connection");
      await writeResponse(to, response, requestTimeoutMs);
    } catch (error) {
      if (gone.signal.aborted) return;
      // a poll that broke off ends without an event: its client polls again
      if (!to.headersSent) to.writeHead(500);
      to.end();
      if (!(error instanceof SdkError)) process.emitWarning(error instanceof Error ? error : String(error));
    } finally {
      body.release();
      this.#requests--;
      this.#ended.notify();
    }
  }

  async #respond(
    incoming: IncomingMessage,
    body: ReturnType<ByteBudget["share"]>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    if (this.#requests > this.#options.maxRequests) return busy("too many requests at once");
    try {
      return await this.#face(await readRequest(incoming, signal, body));
    } catch (error) {
      if (error instanceof TooManyBytesError) return busy("too many bytes of requests at once");
      throw error;
    }
  }
}

/** Asks the client to try later. Node closes the connection if the request has not been read. */
function busy(text: string): HttpResponse {
  return textResponse(503, text, { "Retry-After": "1" });
}

/** Such an address is where to listen, but no client can connect to it from elsewhere. */
function isEveryAddress(host: string): boolean {
  return /^(?:0\.0\.0\.0|\[?::(?:0*|ffff:0\.0\.0\.0)\]?|0)$/i.test(host);
}
