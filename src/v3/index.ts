export type { V3Options } from "./options.js";
export { v3Protocol } from "./protocol.js";
