import type { RawResponse, RequestSpec } from "../http/exchange.js";
import { throwIfAborted } from "../util/signals.js";
import { inSlices, nextTurn } from "../util/slices.js";
import type { KeysResponse, KeysSummary } from "./types.js";
import { decodeKeys, decodeKeysInPieces, decodeKeysSummary } from "./wire/keys-response.js";
import { withRelativeErrors } from "./wire/namespace.js";

/** From this length on, in characters, a response is decoded in slices: some 10,000 nodes, which take about 10 ms. */
const largeLength = 2 ** 20;

/** How many nodes are decoded between two looks at the clock: less than 1 ms. */
const nodesAtOnce = 2_000;

/**
 * Decodes the response to a call, with keys relative to the namespace. A large one is decoded in slices: the event loop
 * stands still for no longer than `JSON.parse` itself, which cannot be divided.
 *
 * @throws {EtcdError | ResponseError} as `decodeKeys` does
 * Rejects with `signal.reason` when aborted.
 */
export function decodeResponse(
  raw: RawResponse,
  spec: RequestSpec,
  namespace: string,
  signal: AbortSignal | undefined,
): KeysResponse | Promise<KeysResponse> {
  if (raw.body.length >= largeLength) return decodeInSlices(raw, spec, namespace, signal);
  return withRelativeErrors(decodeKeys, raw, spec, namespace);
}

/** Decodes the response to a write with `noValueOnSuccess`. @throws {EtcdError | ResponseError} as {@link decodeResponse} does */
export function decodeSummary(raw: RawResponse, spec: RequestSpec, namespace: string): KeysSummary {
  return withRelativeErrors(decodeKeysSummary, raw, spec, namespace);
}

async function decodeInSlices(
  raw: RawResponse,
  spec: RequestSpec,
  namespace: string,
  signal: AbortSignal | undefined,
): Promise<KeysResponse> {
  // the transport has just joined the parts of the body, which takes a while, too
  await nextTurn();
  throwIfAborted(signal);
  const { response, decode } = withRelativeErrors(decodeKeysInPieces, raw, spec, namespace);
  await nextTurn();
  throwIfAborted(signal);
  await inSlices(() => withRelativeErrors(() => decode(nodesAtOnce), raw, spec, namespace), signal);
  return response;
}
