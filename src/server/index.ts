export { clientStore } from "./client-store.js";
export { createV2Server, type ListenOptions, type V2Server, type V2ServerOptions } from "./v2-server.js";
