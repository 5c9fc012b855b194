import type { HttpRequest } from "../server/messages.js";
import type { Delivery } from "./delivery.js";

/** Responds to requests. Rejects with the reason of a request's signal. */
export type Handler = (request: HttpRequest) => Promise<Delivery>;

/** A member's exchanges in progress, over HTTP or the transport, so that all can be ended at once. */
export class Connections {
  readonly #open = new Set<AbortController>();

  /** Call `end` with the result when the exchange is over. Its signal aborts when the member is killed or the fake is reset. */
  begin(): AbortController {
    const controller = new AbortController();
    this.#open.add(controller);
    return controller;
  }

  end(controller: AbortController): void {
    this.#open.delete(controller);
  }

  /** Cuts all connections. */
  cut(): void {
    for (const controller of Array.from(this.#open)) controller.abort(new ConnectionCut());
    this.#open.clear();
  }
}

/** The reason of an exchange that was cut. */
class ConnectionCut extends Error {
  readonly code = "ECONNRESET";

  constructor() {
    super("read ECONNRESET");
  }
}
