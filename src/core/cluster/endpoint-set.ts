import { badArgument } from "../../util/validate.js";
import { parseEndpoint, requireRequestLine, type Endpoint } from "./endpoint.js";
import type { RequestSpec } from "../../http/exchange.js";

/** An immutable list of endpoints with its pin, the one that is tried first. Every change makes a new set. */
export class EndpointSet {
  readonly #list: readonly Endpoint[];
  readonly #pin: number;
  /** Tried after the list, where a sync has replaced it: what the user configured. */
  readonly #configured: readonly Endpoint[];
  #order: readonly Endpoint[] | undefined;

  /** Keeps only the first of duplicates: each server is tried once per call. */
  constructor(list: readonly Endpoint[], pin = 0, configured: readonly Endpoint[] = []) {
    this.#list = list.filter((endpoint, i) => indexIn(list, endpoint) === i);
    this.#pin = pin;
    this.#configured = configured;
  }

  get size(): number {
    return this.#list.length;
  }

  /** From the pin on, once around, without what was configured before a sync. */
  urls(): readonly string[] {
    return this.#fromPin().map((endpoint) => endpoint.href);
  }

  /** All that a call may try, in order. */
  order(): readonly Endpoint[] {
    this.#order ??= [...this.#fromPin(), ...this.#configured.filter((endpoint) => !this.has(endpoint))];
    return this.#order;
  }

  /** The endpoint with that URL. @throws {UsageError} there is none, in the list or among those that were configured */
  find(url: string): Endpoint {
    const { href } = parseEndpoint(url);
    const found = this.order().find((endpoint) => endpoint.href === href);
    if (found === undefined) badArgument(`endpoint ${JSON.stringify(href)} is not one of this client's endpoints`);
    return found;
  }

  /**
   * The same set, pinned to that endpoint. If it was configured but is no longer in the list, the whole list has failed: the
   * configured endpoints come back, until a sync finds better ones. If it is neither, it was replaced during the call, and
   * the set stays as it is.
   */
  pinnedTo(endpoint: Endpoint): EndpointSet {
    // nearly always
    if (endpoint === this.#list[this.#pin]) return this;
    const index = indexIn(this.#list, endpoint);
    if (index !== -1) return index === this.#pin ? this : this.#withPin(index);
    const configured = indexIn(this.#configured, endpoint);
    return configured === -1 ? this : new EndpointSet(this.#configured, configured);
  }

  /** The same set, pinned to the endpoint after that one, unless the pin has moved since the call began at `start`. */
  pinnedAfter(endpoint: Endpoint, start: Endpoint | undefined): EndpointSet {
    const index = indexIn(this.#list, endpoint);
    return index === -1 || this.#list[this.#pin]?.href !== start?.href
      ? this
      : this.#withPin((index + 1) % this.#list.length);
  }

  /** Whether both list the same endpoints, in whatever order. */
  lists(endpoints: readonly Endpoint[]): boolean {
    const other = new EndpointSet(endpoints);
    return other.size === this.size && other.#list.every((endpoint) => this.has(endpoint));
  }

  /** Whether credentials may go there: to the origin of an endpoint, configured or synced. */
  trusts(url: URL): boolean {
    return this.order().some((endpoint) => endpoint.origin === url.origin);
  }

  has(endpoint: Endpoint): boolean {
    return indexIn(this.#list, endpoint) !== -1;
  }

  requireRequestLine(spec: RequestSpec): void {
    requireRequestLine(this.order(), spec);
  }

  #fromPin(): readonly Endpoint[] {
    return [...this.#list.slice(this.#pin), ...this.#list.slice(0, this.#pin)];
  }

  #withPin(pin: number): EndpointSet {
    return new EndpointSet(this.#list, pin, this.#configured);
  }
}

function indexIn(list: readonly Endpoint[], endpoint: Endpoint): number {
  return list.findIndex((other) => other.href === endpoint.href);
}
