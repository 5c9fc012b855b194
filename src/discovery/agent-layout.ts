import type { InstanceData } from "../agent/index.js";
import type { KeyNode } from "../core/index.js";

/** Text as one segment of a key: safe from `/`, from `.` and `..`, and from a leading `_`, which etcd hides. */
export function encodeSegment(text: string): string {
  if (text === "." || text === "..") return text.replaceAll(".", "%2E");
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/^_/, "%5F");
}

/** Where instances are kept: `<prefix>/<name>/<id>`. */
export class AgentLayout {
  /** "" for the root. */
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix
      .split("/")
      .filter(Boolean)
      .map((segment) => `/${segment}`)
      .join("");
  }

  /** The directory of all services. */
  get root(): string {
    return this.#prefix === "" ? "/" : this.#prefix;
  }

  /** The directory of one service. */
  serviceKey(name: string): string {
    return `${this.#prefix}/${encodeSegment(name)}`;
  }

  instanceKey({ name, id }: Pick<InstanceData, "name" | "id">): string {
    return `${this.serviceKey(name)}/${encodeSegment(id)}`;
  }

  /** What is stored. */
  valueOf({ id, name, host, port, tags, meta }: InstanceData): string {
    return JSON.stringify({ id, name, host, port, tags, meta });
  }

  /** The instance in a file, or in words why there is none. The words quote nothing of the value. */
  instanceOf({ key, value }: KeyNode): InstanceData | string {
    const segments = key.slice(this.#prefix.length + 1).split("/");
    const [name, id] = segments.map(decodeSegment);
    if (segments.length !== 2 || name === undefined || id === undefined) return "its key is not that of an instance";
    const found = instanceIn(value);
    if (found === undefined) return "its value is not that of an instance";
    return found.name === name && found.id === id ? found : "its value has another name or id than its key";
  }
}

function decodeSegment(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function instanceIn(text: string): InstanceData | undefined {
  const value = parse(text);
  if (typeof value !== "object" || value === null) return undefined;
  const { id, name, host, port, tags, meta } = value as Readonly<Record<string, unknown>>;
  if (typeof id !== "string" || typeof name !== "string" || typeof host !== "string") return undefined;
  if (typeof port !== "number" || !Number.isInteger(port) || port < 0 || port > 65_535) return undefined;
  if (
    !(tags === undefined || tags === null || isTextArray(tags)) ||
    !(meta === undefined || meta === null || isTextRecord(meta))
  )
    return undefined;
  return { id, name, host, port, tags: tags ?? [], ...(meta !== undefined && meta !== null && { meta }) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isTextArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isTextRecord(value: unknown): value is Readonly<Record<string, string>> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((item) => typeof item === "string")
  );
}
