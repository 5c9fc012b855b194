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

/** The last segment of a key that is directly below that directory; undefined for all others. */
export function childOf(dir: string, key: string): string | undefined {
  const child = key.startsWith(`${dir}/`) ? key.slice(dir.length + 1) : "";
  return child === "" || child.includes("/") ? undefined : child;
}

/** Refuses a name that etcd would take for other keys than its own, or hide: it hides names that begin with "_". */
export function requireServiceName(name: unknown, allowNested: boolean): asserts name is string {
  const problem = typeof name === "string" ? problemOf(name, allowNested) : "must be a string";
  if (problem !== undefined)
    throw new DiscoveryError(
      "INVALID_NAME",
      `service name ${typeof name === "string" ? JSON.stringify(name) : typeof name} ${problem}`,
    );
}

/** Whether it would pass {@link requireServiceName}. */
export function isServiceName(name: string, allowNested: boolean): boolean {
  return problemOf(name, allowNested) === undefined;
}

function problemOf(name: string, allowNested: boolean): string | undefined {
  if (name === "") return "is empty";
  if (!name.isWellFormed() || /\p{Cc}/u.test(name)) return "holds control characters or broken text";
  const segments = name.split("/");
  if (segments.length > 1 && !allowNested) return 'holds a "/", which wants allowNested';
  if (segments.some((segment) => segment === "" || segment === "." || segment === ".."))
    return 'has a segment "", "." or ".."';
  return segments.some((segment) => segment.startsWith("_")) ? 'begins with "_", which etcd hides' : undefined;
}
