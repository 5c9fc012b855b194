import { badArgument } from "../util/validate.js";
import { formatAddress, parseAddress } from "./address.js";
import { JsonReader } from "./json-reader.js";
import type { EndpointAddress, Endpoints, ObjectMeta, Protocol, Service } from "./types.js";

/** Versions in which objects are stored. `v1beta2` has the same fields as `v1beta1`. */
export type ApiVersion = "v1beta1" | "v1beta2" | "v1beta3";

/** Where a text comes from. */
export interface TextOrigin {
  /** Named in errors. */
  readonly key: string;
  /** Becomes the object's `resourceVersion`, whatever the text says. */
  readonly modifiedIndex: number;
}

/** Turns what a registry stores into objects, and back. */
export interface Codec {
  /** @throws {ConfigError} `ERR_DECODE` */
  decodeService(text: string, origin?: TextOrigin): Service;
  /** @param version default "v1beta1" */
  encodeService(service: Service, version?: ApiVersion): string;
  /** @throws {ConfigError} `ERR_DECODE` */
  decodeEndpoints(text: string, origin?: TextOrigin): Endpoints;
  /** @param version default "v1beta1" */
  encodeEndpoints(endpoints: Endpoints, version?: ApiVersion): string;
}

/**
 * JSON in any {@link ApiVersion}. A text without `kind` is taken for what is expected, one without `apiVersion` for
 * `v1beta1`. Fields that it does not know are dropped, as are values of `null`.
 */
export const jsonCodec: Codec = Object.freeze({
  decodeService(text: string, origin?: TextOrigin): Service {
    const { fields, isNested } = open(text, origin, "Service");
    const spec = isNested ? (fields.object("spec") ?? fields.fail("there is no spec")) : fields;
    return {
      metadata: metadataOf(fields, isNested, origin),
      spec: {
        port: spec.port("port") ?? 0,
        protocol: protocolOf(spec),
        ...present({
          selector: spec.textMap("selector"),
          containerPort: spec.portOrName("containerPort"),
          portalIP: spec.text("portalIP"),
          publicIPs: spec.texts("publicIPs"),
          createExternalLoadBalancer: spec.boolean("createExternalLoadBalancer"),
        }),
        sessionAffinity: spec.oneOf("sessionAffinity", ["None", "ClientIP"]),
      },
    };
  },

  decodeEndpoints(text: string, origin?: TextOrigin): Endpoints {
    const { fields, isNested } = open(text, origin, "Endpoints");
    return {
      metadata: metadataOf(fields, isNested, origin),
      protocol: protocolOf(fields),
      endpoints: isNested ? addressObjectsOf(fields) : addressTextsOf(fields),
    };
  },

  encodeService(service: Service, version: ApiVersion = "v1beta1"): string {
    requireVersion(version);
    const { metadata, spec } = service;
    return JSON.stringify(
      isNestedVersion(version)
        ? { kind: "Service", apiVersion: version, metadata, spec }
        : { ...flat("Service", version, metadata), ...spec },
    );
  },

  encodeEndpoints(endpoints: Endpoints, version: ApiVersion = "v1beta1"): string {
    requireVersion(version);
    const { metadata, protocol, endpoints: addresses } = endpoints;
    return JSON.stringify(
      isNestedVersion(version)
        ? {
            kind: "Endpoints",
            apiVersion: version,
            metadata,
            protocol,
            endpoints: addresses.map(({ ip, port }) => ({ ip, port })),
          }
        : { ...flat("Endpoints", version, metadata), protocol, endpoints: addresses.map(formatAddress) },
    );
  },
});

const versions: readonly string[] = ["v1beta1", "v1beta2", "v1beta3"] satisfies readonly ApiVersion[];

function requireVersion(version: unknown): void {
  if (typeof version !== "string" || !versions.includes(version))
    badArgument(`version must be one of ${versions.join(", ")}`);
}

/** Whether metadata and spec are objects of their own, not fields beside the others. */
function isNestedVersion(version: string): boolean {
  return version === "v1beta3";
}

function open(
  text: string,
  origin: TextOrigin | undefined,
  kind: "Service" | "Endpoints",
): { readonly fields: JsonReader; readonly isNested: boolean } {
  const fields = JsonReader.parse(text, origin?.key ?? "");
  if ((fields.text("kind") ?? kind) !== kind) fields.fail(`kind is not ${kind}`);
  const version = fields.text("apiVersion") ?? "v1beta1";
  if (!versions.includes(version)) fields.fail(`apiVersion is not one of ${versions.join(", ")}`);
  return { fields, isNested: isNestedVersion(version) };
}

function metadataOf(fields: JsonReader, isNested: boolean, origin: TextOrigin | undefined): ObjectMeta {
  const from = isNested ? (fields.object("metadata") ?? fields.fail("there is no metadata")) : fields;
  return {
    name: from.text(isNested ? "name" : "id") ?? "",
    namespace: from.text("namespace") ?? "",
    ...present({
      resourceVersion: origin === undefined ? from.version("resourceVersion") : String(origin.modifiedIndex),
      uid: from.text("uid"),
      labels: from.textMap("labels"),
      annotations: from.textMap("annotations"),
      creationTimestamp: from.time("creationTimestamp"),
      selfLink: from.text("selfLink"),
    }),
  };
}

function protocolOf(fields: JsonReader): Protocol {
  return fields.oneOf("protocol", ["TCP", "UDP"]);
}

function addressTextsOf(fields: JsonReader): readonly EndpointAddress[] {
  return (fields.texts("endpoints") ?? []).map(
    (text) => parseAddress(text) ?? fields.fail("endpoints holds something that is not ip:port"),
  );
}

function addressObjectsOf(fields: JsonReader): readonly EndpointAddress[] {
  return (fields.objects("endpoints") ?? []).map((address) => {
    const [ip = "", port] = [address.text("ip"), address.port("port")];
    return ip !== "" && port !== undefined
      ? { ip, port }
      : fields.fail("endpoints holds something without ip and port");
  });
}

/** The metadata as `v1beta1` has it: beside the other fields, the name as `id`, a version of digits as a number. */
function flat(
  kind: string,
  apiVersion: ApiVersion,
  { name, resourceVersion, ...rest }: ObjectMeta,
): Record<string, unknown> {
  const number = Number(resourceVersion);
  const version = resourceVersion !== undefined && Number.isSafeInteger(number) ? number : resourceVersion;
  return { kind, id: name, apiVersion, ...rest, resourceVersion: version };
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that are not there: absent is absent, so that equal objects look equal. */
function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}
