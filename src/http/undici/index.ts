/**
 * The faster transport, on undici.
 *
 * Guide: [Choosing a transport](../../../docs/guides/transports.md).
 *
 * @module etcd2/undici
 */
export { undiciExchange, type UndiciExchangeOptions } from "./undici-exchange.js";
