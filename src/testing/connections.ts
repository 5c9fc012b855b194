import type { HttpRequest } from "../server/messages.js";
import type { Delivery } from "./delivery.js";

/** Answers requests; rejects with the reason of a request's signal. */
export type Handler = (request: HttpRequest) => Promise<Delivery>;

/** A member's exchanges under way, by whichever way they came: what ends them all at once. */
export class Connections {
  readonly #open = new Set<AbortController>();

  /** To be called with `end` when the exchange is over. The signal aborts when the member is killed, or the fake reset. */
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

/** Why an exchange ended that nobody meant to end. */
class ConnectionCut extends Error {
  readonly code = "ECONNRESET";

  constructor() {
    super("read ECONNRESET");
  }
}
