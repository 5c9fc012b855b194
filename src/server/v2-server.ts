import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Administered, KeysStore } from "../core/keys-store.js";
import { optional, requireFields, type Checks } from "../util/fields.js";
import { isObject } from "../util/reader.js";
import { badArgument, requireText, show } from "../util/validate.js";
import { createFace } from "./face.js";
import { maxHeaderBytes, readRequest, writeAnswer } from "./http-server.js";
import { textAnswer } from "./answers.js";

/** What a server of the v2 API is made of. */
export interface V2ServerOptions {
  /** Carries out the calls: `clientStore(client)`, or one of your own. Not closed with the server. */
  readonly store: KeysStore;
  /**
   * What the membership tells as every member's client URLs, so that clients that sync stay with this server.
   *
   * @default the URL that `listen` resolved to
   */
  readonly advertise?: readonly string[] | undefined;
  /** Requests at once, polls included; above that it answers 503. @default 10_000 */
  readonly maxRequests?: number | undefined;
}

/** Where to listen. */
export interface ListenOptions {
  /** @default "127.0.0.1" */
  readonly host?: string | undefined;
  /** 0: any free one. */
  readonly port: number;
}

/** etcd's v2 HTTP API in front of a store. */
export interface V2Server extends AsyncDisposable {
  /** For an HTTP server of your own, for example one with TLS; make it with `maxHeaderSize` of 1 MiB, as etcd has it. */
  readonly handler: RequestListener;
  /**
   * Begins to listen; resolves to the server's URL.
   *
   * @throws {UsageError} `ERR_ARGUMENT`
   * @throws the network's error, such as `EADDRINUSE`
   */
  listen(at: ListenOptions): Promise<string>;
  /** Ends polls with an empty body, as etcd does when it stops, and closes the connections. Idempotent. */
  close(): Promise<void>;
}

/** Longest time for the head and for the whole of a request, in ms. */
const requestTimeoutMs = 60_000;
/** How long an idle connection is kept, in ms: longer than clients do, so that they do not meet one that was just closed. */
const keepAliveMs = 300_000;
const defaultMaxRequests = 10_000;

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
  requireFields("options", options, checks);
  return new HttpV2Server(options);
}

class HttpV2Server implements V2Server {
  readonly handler: RequestListener;
  readonly #store: KeysStore;
  readonly #maxRequests: number;
  readonly #advertise: readonly string[] | undefined;
  readonly #closed = new AbortController();
  #url = "";
  #server: Server | undefined;
  #clusterId = "";
  #requests = 0;
  #closing: Promise<void> | undefined;

  constructor({ store, advertise, maxRequests = defaultMaxRequests }: V2ServerOptions) {
    this.#store = store;
    this.#advertise = advertise;
    this.#maxRequests = maxRequests;
    const clusterId = (): string => this.#clusterId;
    const face = createFace(this.#advertising(), {
      version: "3.4",
      get clusterId() {
        return clusterId();
      },
    });
    this.handler = (request, response) => {
      void this.#serve(face, request, response);
    };
  }

  async listen(at: ListenOptions): Promise<string> {
    requireFields("at", at, listenChecks);
    if (this.#server !== undefined) badArgument("this server listens already");
    const { host = "127.0.0.1", port } = at;
    const server = createServer(
      { maxHeaderSize: maxHeaderBytes, requestTimeout: requestTimeoutMs, keepAliveTimeout: keepAliveMs },
      this.handler,
    );
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
    const { address, family, port: actual } = server.address() as AddressInfo;
    this.#url = `http://${family === "IPv6" ? `[${address}]` : address}:${String(actual)}`;
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
    this.#closed.abort();
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    await closed;
  }

  async #serve(
    face: ReturnType<typeof createFace>,
    incoming: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => {
      gone.abort();
    });
    this.#requests++;
    try {
      if (this.#requests > this.#maxRequests) {
        await writeAnswer(response, textAnswer(503, "too many requests at once", { "Retry-After": "1" }));
        return;
      }
      const request = await readRequest(incoming, AbortSignal.any([gone.signal, this.#closed.signal]));
      if (this.#closed.signal.aborted) response.setHeader("Connection", "close");
      // etcd does not say that it keeps connections, and keeps them
      else response.removeHeader("Connection");
      await writeAnswer(response, await face(request));
    } catch (error) {
      if (gone.signal.aborted) return;
      // a poll of a server that stops ends without an event
      if (!this.#closed.signal.aborted && !response.headersSent) response.writeHead(500);
      response.end();
      if (!this.#closed.signal.aborted) process.emitWarning(error instanceof Error ? error : String(error));
    } finally {
      this.#requests--;
    }
  }

  /** The store, with this server's URL in place of the members' own. */
  #advertising(): KeysStore {
    const store = this.#store;
    const administer = store.administer === undefined ? undefined : store.administer.bind(store);
    const see = <T extends { readonly clusterId?: string | undefined }>(seen: T): T => {
      if (seen.clusterId !== undefined && seen.clusterId !== "") this.#clusterId = seen.clusterId;
      return seen;
    };
    return {
      execute: async (call, context) => see(await this.#store.execute(call, context)),
      watch: async (call, context) => see(await this.#store.watch(call, context)),
      ...(administer !== undefined && {
        administer: async (call, context): Promise<Administered> => {
          const done = see(await administer(call, context));
          const tells = call.kind === "listMembers" || call.kind === "leader";
          return tells ? { ...done, json: this.#withOwnUrl(done.json) } : done;
        },
      }),
    };
  }

  #withOwnUrl(json: unknown): unknown {
    if (!isObject(json)) return json;
    const clientURLs = this.#advertise ?? [this.#url];
    const members: unknown = json["members"];
    if (Array.isArray(members))
      return { ...json, members: members.map((each: unknown) => (isObject(each) ? { ...each, clientURLs } : each)) };
    return json["clientURLs"] === undefined ? json : { ...json, clientURLs };
  }
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
      if (!URL.canParse(url)) badArgument(`an entry of ${what} is not a URL: ${JSON.stringify(url)}`);
    }
    if (urls.length === 0) badArgument(`${what} is empty`);
  }),
  maxRequests: optional((what, value) => {
    if (!Number.isSafeInteger(value) || Number(value) < 1)
      badArgument(`${what} must be a whole number from 1, got ${show(value)}`);
  }),
};

const listenChecks: Checks<ListenOptions> = {
  host: optional(requireText),
  port: (what, value) => {
    if (!Number.isSafeInteger(value) || Number(value) < 0 || Number(value) > 65_535) {
      badArgument(`${what} must be a port from 0 to 65535, got ${show(value)}`);
    }
  },
};
