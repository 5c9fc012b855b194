import assert from "node:assert/strict";

/** One server for all tests of a suite, and a client of it. They are there from `start` to `stop`. */
export class SuiteServer<Server extends AsyncDisposable, Client extends AsyncDisposable> {
  readonly #startServer: () => Server | Promise<Server>;
  readonly #connect: (server: Server) => Client;
  #running: { readonly server: Server; readonly client: Client } | undefined;

  constructor(startServer: () => Server | Promise<Server>, connect: (server: Server) => Client) {
    this.#startServer = startServer;
    this.#connect = connect;
  }

  get server(): Server {
    return this.#now.server;
  }

  get client(): Client {
    return this.#now.client;
  }

  start = async (): Promise<void> => {
    const server = await this.#startServer();
    this.#running = { server, client: this.#connect(server) };
  };

  stop = async (): Promise<void> => {
    await this.#running?.client[Symbol.asyncDispose]();
    await this.#running?.server[Symbol.asyncDispose]();
    this.#running = undefined;
  };

  get #now(): { readonly server: Server; readonly client: Client } {
    return this.#running ?? assert.fail("the server exists only while tests run");
  }
}
