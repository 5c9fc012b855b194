/**
 * The v2 API on the v3 store of the same etcd, through its gateway.
 *
 * Guide: [Leaving v2](../../docs/guides/leaving-v2.md).
 *
 * @module etcd2/v3
 */
export type { V3Options } from "./options.js";
export { v3Protocol } from "./protocol.js";
