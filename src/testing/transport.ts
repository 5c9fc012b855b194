import type { Exchange, RawResponse, RequestSpec } from "../http/exchange.js";
import { PendingResponse, type RequestInFlight } from "../http/pending-response.js";
import type { HttpResponse, HttpRequest } from "../server/messages.js";
import { onAbort, throwIfAborted } from "../util/signals.js";
import type { FakeClock } from "./clock.js";
import type { Connections, Handler } from "./connections.js";
import type { Delivery } from "./delivery.js";
import { keepAlive } from "./keep-alive.js";

/** What the transport needs of a member. */
export interface Reachable {
  readonly endpoint: string;
  /** Whether it accepts connections. */
  readonly listening: boolean;
  readonly connections: Connections;
  readonly handle: Handler;
}

/** A transport that calls the members directly, without sockets. Failures look like network errors. */
export function fakeTransport(members: readonly Reachable[], clock: FakeClock): Exchange {
  const exchange = (url: URL, spec: RequestSpec, signal: AbortSignal | undefined): Promise<RawResponse> =>
    new Promise((resolve, reject) => {
      throwIfAborted(signal);
      const inFlight = new FakeRequest(resolve, reject);
      const response = new PendingResponse(url, spec, signal, inFlight, performance.now());
      const member = members.find(({ endpoint }) => new URL(endpoint).host === url.host);
      if (member === undefined) response.fail(networkProblem("ENOTFOUND", `getaddrinfo ENOTFOUND ${url.hostname}`));
      else if (!member.listening) response.fail(networkProblem("ECONNREFUSED", `connect ECONNREFUSED ${url.host}`));
      else void exchangeWith(member, { url, spec, inFlight, response, clock });
    });
  return Object.assign(exchange, { sharesSignals: true });
}

/** A request through the transport. Like a request on a socket, it keeps the process alive while a caller waits for it. */
class FakeRequest implements RequestInFlight {
  sent = false;
  readonly reused = false;
  /** Aborts the member's work on it. */
  exchange: AbortController | undefined;
  readonly #resolve: RequestInFlight["resolve"];
  readonly #reject: RequestInFlight["reject"];
  #letGo = keepAlive();
  #settled = false;

  constructor(resolve: RequestInFlight["resolve"], reject: RequestInFlight["reject"]) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  resolve(raw: RawResponse | Promise<RawResponse>): void {
    this.#settled = true;
    this.#letGo();
    this.#resolve(raw);
  }

  reject(reason: unknown): void {
    this.#settled = true;
    this.#letGo();
    this.#reject(reason);
  }

  cancel(): void {
    this.exchange?.abort();
  }

  dropIdle(): void {
    // there are no connections
  }

  resend(): undefined {
    return undefined;
  }

  ref(): void {
    this.#letGo();
    if (!this.#settled) this.#letGo = keepAlive();
  }

  unref(): void {
    this.#letGo();
  }
}

interface Call {
  readonly url: URL;
  readonly spec: RequestSpec;
  readonly inFlight: FakeRequest;
  readonly response: PendingResponse;
  readonly clock: FakeClock;
}

async function exchangeWith(member: Reachable, call: Call): Promise<void> {
  const { response, inFlight, spec, clock } = call;
  const exchange = member.connections.begin();
  inFlight.exchange = exchange;
  inFlight.sent = true;
  const off = onAbort(exchange.signal, (reason) => {
    response.fail(reason instanceof Error ? reason : new Error(String(reason)));
  });
  try {
    const delivery = await member.handle(requestOf(call, exchange.signal));
    // the type of a client's requests has no HEAD, but servers support it
    const headOnly = (spec.method as string) === "HEAD";
    await deliver(response, delivery, { clock, signal: exchange.signal, headOnly });
  } catch (error) {
    if (!exchange.signal.aborted) response.fail(error instanceof Error ? error : new Error(String(error)));
  } finally {
    off();
    member.connections.end(exchange);
  }
}

function requestOf({ url, spec }: Call, signal: AbortSignal): HttpRequest {
  return {
    method: spec.method,
    target: url.pathname + url.search,
    headers: spec.headers ?? {},
    body: Buffer.from(spec.bytes ?? spec.body ?? ""),
    signal,
  };
}

interface Way {
  readonly clock: FakeClock;
  readonly signal: AbortSignal;
  readonly headOnly: boolean;
}

async function deliver(response: PendingResponse, delivery: Delivery, { clock, signal, headOnly }: Way): Promise<void> {
  if (delivery.kind === "reset") response.fail(networkProblem("ECONNRESET", "read ECONNRESET"));
  else if (delivery.kind === "close") response.fail(networkProblem("ECONNRESET", "socket hang up"));
  else {
    response.begin({ status: delivery.response.status, headers: headersOf(delivery.response, delivery.twice) });
    if (delivery.bodyDelayMs !== undefined) await clock.sleep(delivery.bodyDelayMs, signal);
    const body = Buffer.from(headOnly ? "" : delivery.response.body);
    if (delivery.cutAfter !== undefined) {
      response.take(body.subarray(0, delivery.cutAfter));
      response.fail(networkProblem("ECONNRESET", "read ECONNRESET"));
      return;
    }
    if (body.length > 0) response.take(body);
    for await (const line of delivery.response.lines ?? []) response.take(Buffer.from(line));
    response.end();
  }
}

/** Headers as Node gives them: names in lower case, and the values of a repeated name joined. */
function headersOf({ headers, body, lines, status }: HttpResponse, twice: string | undefined): Record<string, string> {
  const lower: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    lower[name.toLowerCase()] = name === twice ? `${value}, ${value}` : value;
  const bytes = Buffer.byteLength(body);
  if (lines !== undefined || bytes > 2048) lower["transfer-encoding"] = "chunked";
  else if (status !== 204) lower["content-length"] = String(bytes);
  return lower;
}

function networkProblem(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
