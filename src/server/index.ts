/**
 * etcd's v2 HTTP API in front of any store.
 *
 * Guide: [Keep old programs running](../../docs/guides/keep-old-programs-running.md).
 *
 * @module etcd2/server
 */
export { clientStore } from "./client-store.js";
export { createV2Server, type V2Server } from "./v2-server.js";
export type { ListenOptions, ListenTls, V2ServerOptions } from "./v2-server-options.js";
