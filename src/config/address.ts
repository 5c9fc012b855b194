import { isPort } from "../util/reader.js";
import type { EndpointAddress } from "./types.js";

/** Reads `ip:port`, for IPv6 `[ip]:port`; undefined for anything else. */
export function parseAddress(text: string): EndpointAddress | undefined {
  const { bracketed, plain, digits } =
    /^(?:\[(?<bracketed>[^[\]]+)\]|(?<plain>[^:[\]\s]+)):(?<digits>\d{1,5})$/.exec(text)?.groups ?? {};
  const ip = bracketed ?? plain;
  const port = Number(digits);
  return ip !== undefined && isPort(port) ? { ip, port } : undefined;
}

/** The reverse of {@link parseAddress}. */
export function formatAddress({ ip, port }: EndpointAddress): string {
  return `${ip.includes(":") ? `[${ip}]` : ip}:${String(port)}`;
}
