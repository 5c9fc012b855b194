import { flag, object, port, rfc3339, text as string, type JsonReader, type Read } from "../util/reader.js";
import { badArgument } from "../util/validate.js";
import { formatAddress } from "./address.js";
import { oneOfOrFirst, portOrName, readObject, version as versionText } from "./fields.js";
import { address } from "./file-format.js";
import type { EndpointAddress, Endpoints, ObjectMeta, Protocol, Service } from "./types.js";

/** Versions in which objects are stored. `v1beta2` has the same fields as `v1beta1`. */
export type ApiVersion = "v1beta1" | "v1beta2" | "v1beta3";

/** Where a text comes from. */
export interface TextOrigin {
  /** The key in etcd; errors name it. */
  readonly key: string;
  /** etcd's index of the last change; becomes the object's `resourceVersion`, whatever the text says. */
  readonly modifiedIndex: number;
}

/** Turns what a registry stores into objects, and back. */
export interface Codec {
  /** Reads a service. @throws {ConfigError} `ERR_DECODE` */
  decodeService(text: string, origin?: TextOrigin): Service;
  /** Writes a service. @param version default: "v1beta1" */
  encodeService(service: Service, version?: ApiVersion): string;
  /** Reads the endpoints of a service. @throws {ConfigError} `ERR_DECODE` */
  decodeEndpoints(text: string, origin?: TextOrigin): Endpoints;
  /** Writes the endpoints of a service. @param version default: "v1beta1" */
  encodeEndpoints(endpoints: Endpoints, version?: ApiVersion): string;
}

/**
 * JSON in any {@link ApiVersion}. A text without `kind` is read as the kind that is expected, one without `apiVersion` as
 * `v1beta1`. Fields that are not known here are dropped, and so are those that are null.
 */
export const jsonCodec: Codec = Object.freeze({
  decodeService(text: string, origin?: TextOrigin): Service {
    const { fields, isNested } = open(text, origin, "Service");
    const spec = isNested ? fields.require("spec", object) : fields;
    return {
      metadata: metadataOf(fields, isNested, origin),
      spec: {
        port: spec.get("port", port) ?? 0,
        protocol: spec.get("protocol", protocol) ?? "TCP",
        ...present({
          selector: spec.record("selector", string),
          containerPort: spec.get("containerPort", portOrName),
          portalIP: spec.get("portalIP", string),
          publicIPs: spec.list("publicIPs", string),
          createExternalLoadBalancer: spec.get("createExternalLoadBalancer", flag),
        }),
        sessionAffinity: spec.get("sessionAffinity", affinity) ?? "None",
      },
    };
  },

  decodeEndpoints(text: string, origin?: TextOrigin): Endpoints {
    const { fields, isNested } = open(text, origin, "Endpoints");
    return {
      metadata: metadataOf(fields, isNested, origin),
      protocol: fields.get("protocol", protocol) ?? "TCP",
      endpoints: fields.list("endpoints", isNested ? addressObject : address) ?? [],
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

const protocol: Read<Protocol> = oneOfOrFirst<Protocol>("TCP", "UDP");
const affinity: Read<Service["spec"]["sessionAffinity"]> = oneOfOrFirst<Service["spec"]["sessionAffinity"]>(
  "None",
  "ClientIP",
);

const addressObject: Read<EndpointAddress> = (value, place) => {
  const fields = object(value, place);
  const ip = fields.require("ip", string);
  return { ip: ip === "" ? fields.refuse("ip", "is empty") : ip, port: fields.require("port", port) };
};

/** Whether metadata and spec are separate objects, and not fields next to the others. */
function isNestedVersion(version: string): boolean {
  return version === "v1beta3";
}

function open(
  text: string,
  origin: TextOrigin | undefined,
  expected: "Service" | "Endpoints",
): { readonly fields: JsonReader; readonly isNested: boolean } {
  const fields = readObject(text, origin?.key ?? "");
  const kind = fields.get("kind", string) ?? expected;
  if (kind !== expected) fields.refuse("kind", `is not ${expected}`);
  const version = fields.get("apiVersion", string) ?? "v1beta1";
  if (!versions.includes(version)) fields.refuse("apiVersion", `is not one of ${versions.join(", ")}`);
  return { fields, isNested: isNestedVersion(version) };
}

function metadataOf(fields: JsonReader, isNested: boolean, origin: TextOrigin | undefined): ObjectMeta {
  const from = isNested ? fields.require("metadata", object) : fields;
  return {
    name: from.get(isNested ? "name" : "id", string) ?? "",
    namespace: from.get("namespace", string) ?? "",
    ...present({
      resourceVersion: origin === undefined ? from.get("resourceVersion", versionText) : String(origin.modifiedIndex),
      uid: from.get("uid", string),
      labels: from.record("labels", string),
      annotations: from.record("annotations", string),
      creationTimestamp: from.get("creationTimestamp", rfc3339),
      selfLink: from.get("selfLink", string),
    }),
  };
}

/**
 * The metadata in the form of `v1beta1`: next to the other fields, with the name as `id` and a version of digits as a
 * number.
 */
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

/** Leaves out fields that are undefined, so that equal objects look equal. */
function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}
