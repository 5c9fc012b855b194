import type { Dispatcher } from "undici";
import { throwIfAborted } from "../../util/signals.js";
import type { RawResponse, RequestSpec } from "../exchange.js";
import { isHandshakeAlert } from "../network-error.js";
import { PendingResponse, type RequestInFlight } from "../pending-response.js";
import { singleHeaders } from "../single-headers.js";
import { headersOf } from "./headers.js";
import { asNodeError } from "./socket-error.js";

/**
 * How often a read is sent again over a dispatcher of the user's, which does not show whether a kept connection was
 * dead.
 */
const maxResends = 2;

/** Sends one request through a dispatcher of the user's. */
export function sendByDispatcher(
  dispatcher: Dispatcher,
  url: URL,
  spec: RequestSpec,
  signal: AbortSignal | undefined,
  sinceMs = performance.now(),
  resends = maxResends,
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal);
    const resend = (): Promise<RawResponse> | undefined =>
      resends > 0 ? sendByDispatcher(dispatcher, url, spec, signal, sinceMs, resends - 1) : undefined;
    const request = new DispatchedRequest(resolve, reject, resend);
    request.response = new PendingResponse(url, spec, signal, request, sinceMs);
    const { pathname, search, origin } = url;
    const { method, body, bytes } = spec;
    dispatcher.dispatch(
      {
        origin,
        path: pathname + search,
        method,
        headers: headersOf(spec),
        body: body ?? bytes ?? null,
        // the limits are ours: a silent watch is not a failure
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      request,
    );
  });
}

/** One request in flight through a dispatcher, which has the connections. */
class DispatchedRequest implements RequestInFlight, Dispatcher.DispatchHandler {
  response: PendingResponse | undefined;
  sent = false;
  reused = false;
  readonly resolve: RequestInFlight["resolve"];
  readonly reject: RequestInFlight["reject"];
  readonly resend: RequestInFlight["resend"];
  #controller: Dispatcher.DispatchController | undefined;
  #cancelled = false;

  constructor(
    resolve: RequestInFlight["resolve"],
    reject: RequestInFlight["reject"],
    resend: RequestInFlight["resend"],
  ) {
    this.resolve = resolve;
    this.reject = reject;
    this.resend = resend;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#controller?.abort(new Error("cancelled"));
  }

  dropIdle(): void {
    // left to the dispatcher
  }

  ref(): void {
    // left to the dispatcher
  }

  unref(): void {
    // left to the dispatcher
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#cancelled) {
      this.cancel();
      return;
    }
    this.sent = true;
    this.reused = true;
  }

  onResponseStart(
    _controller: unknown,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // informational responses come before the final one
    if (status >= 200) this.response?.begin({ status, headers: singleHeaders(headers) });
  }

  onResponseData(_controller: unknown, part: Buffer): void {
    this.response?.take(part);
  }

  onResponseEnd(): void {
    this.response?.end();
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (isHandshakeAlert(error)) this.sent = false;
    this.response?.fail(asNodeError(error));
  }
}
