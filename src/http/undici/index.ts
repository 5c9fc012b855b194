export { undiciExchange, type UndiciExchangeOptions } from "./undici-exchange.js";
