import { parseAddress } from "./address.js";
import { JsonReader } from "./json-reader.js";
import type { Endpoints, Service } from "./types.js";

/**
 * Reads `{"Services":[{"Name":"web","Port":80,"Endpoints":["10.0.0.1:8080"]}]}`; the case of field names does not
 * matter. Objects have no namespace.
 *
 * @throws {ConfigError} `ERR_DECODE`
 */
export function decodeFile(
  text: string,
  path: string,
): { readonly services: readonly Service[]; readonly endpoints: readonly Endpoints[] } {
  const entries = (JsonReader.parse(text, path).lowerCased().objects("services") ?? []).map((entry) =>
    entry.lowerCased(),
  );
  const named = entries.map((entry) => {
    const name = entry.text("name") ?? "";
    return { entry, metadata: { name: name === "" ? entry.fail("a service has no name") : name, namespace: "" } };
  });
  return {
    services: named.map(({ entry, metadata }) => ({
      metadata,
      spec: { port: entry.port("port") ?? 0, protocol: "TCP", sessionAffinity: "None" },
    })),
    endpoints: named.map(({ entry, metadata }) => ({
      metadata,
      protocol: "TCP",
      endpoints: (entry.texts("endpoints") ?? []).map(
        (address) => parseAddress(address) ?? entry.fail("endpoints holds something that is not ip:port"),
      ),
    })),
  };
}
