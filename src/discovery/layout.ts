import { DiscoveryError } from "./errors.js";

/** The directory of a service's hosts. */
export function hostsKey(service: string): string {
  return `/services/${service}`;
}

/** The key of one host. */
export function hostKey(service: string, uuid: string): string {
  return `${hostsKey(service)}/${uuid}`;
}

/** The key of a service's metadata. */
export function infoKey(service: string): string {
  return `/services_infos/${service}`;
}

/** The last segment of a key directly below a directory; undefined for other keys. */
export function childOf(dir: string, key: string): string | undefined {
  const child = key.startsWith(`${dir}/`) ? key.slice(dir.length + 1) : "";
  return child === "" || child.includes("/") ? undefined : child;
}

/** Refuses a service's name that would address other keys, or hidden ones. @throws {DiscoveryError} `ERR_INVALID_NAME` */
export function requireServiceName(name: unknown, allowNested: boolean): asserts name is string {
  const problem = typeof name === "string" ? problemOf(name, allowNested) : "must be a string";
  if (problem !== undefined)
    throw new DiscoveryError(
      "ERR_INVALID_NAME",
      `service name ${typeof name === "string" ? JSON.stringify(name) : typeof name} ${problem}`,
    );
}

/** Whether a name passes {@link requireServiceName}. */
export function isServiceName(name: string, allowNested: boolean): boolean {
  return problemOf(name, allowNested) === undefined;
}

function problemOf(name: string, allowNested: boolean): string | undefined {
  if (name === "") return "is empty";
  if (!name.isWellFormed() || /\p{Cc}/u.test(name)) return "contains control characters or lone surrogates";
  const segments = name.split("/");
  if (segments.length > 1 && !allowNested) return 'contains "/", which needs the option allowNested';
  if (segments.some((segment) => segment === "" || segment === "." || segment === ".."))
    return 'has a segment "", "." or ".."';
  return segments.some((segment) => segment.startsWith("_")) ? 'begins with "_", which etcd hides' : undefined;
}
