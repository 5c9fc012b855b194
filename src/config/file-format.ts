import { object, port, text, type Read } from "../util/reader.js";
import { parseAddress } from "./address.js";
import { readObject } from "./fields.js";
import type { EndpointAddress, Endpoints, Service } from "./types.js";

/** What a file holds. */
export interface FileContent {
  /** The services, in the order of the file. */
  readonly services: readonly Service[];
  /** The endpoints of each service. */
  readonly endpoints: readonly Endpoints[];
}

/**
 * Reads `{"Services":[{"Name":"web","Port":80,"Endpoints":["10.0.0.1:8080"]}]}`. Names of fields count in any case.
 * Objects have no namespace.
 *
 * @param path for messages
 * @throws {ConfigError} `ERR_DECODE`
 */
export function decodeFile(content: string, path: string): FileContent {
  const entries = readObject(content, path, true).list("services", object) ?? [];
  const decoded = entries.map((entry) => {
    const metadata = { name: entry.require("name", filled), namespace: "" };
    return {
      service: {
        metadata,
        spec: { port: entry.get("port", port) ?? 0, protocol: "TCP", sessionAffinity: "None" },
      } as const,
      endpoints: { metadata, protocol: "TCP", endpoints: entry.list("endpoints", address) ?? [] } as const,
    };
  });
  return {
    services: decoded.map(({ service }) => service),
    endpoints: decoded.map(({ endpoints }) => endpoints),
  };
}

const filled: Read<string> = (value, place) => {
  const name = text(value, place);
  return name === "" ? place.refuse("is empty") : name;
};

/** `ip:port`, for IPv6 `[ip]:port`. */
export const address: Read<EndpointAddress> = (value, place) =>
  parseAddress(text(value, place)) ?? place.refuse("is not ip:port");
