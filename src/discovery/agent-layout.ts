import type { InstanceData } from "../agent/index.js";
import type { KeyNode } from "../core/index.js";
import { JsonReader, port, text } from "../util/reader.js";

/** Encodes any text as one segment of a key: without `/`, never `.` or `..`, and without a leading `_`, which etcd hides. */
export function encodeSegment(text: string): string {
  if (text === "." || text === "..") return text.replaceAll(".", "%2E");
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/^_/, "%5F");
}

/** The keys and values of instances: `<prefix>/<name>/<id>`. */
export class AgentLayout {
  /** "" for the root. */
  readonly #prefix: string;

  /** @param prefix the directory of all services, with any number of slashes */
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

  /** The key of one instance. */
  instanceKey({ name, id }: Pick<InstanceData, "name" | "id">): string {
    return `${this.serviceKey(name)}/${encodeSegment(id)}`;
  }

  /** The value of an instance's key. */
  valueOf({ id, name, host, port, tags, meta }: InstanceData): string {
    return JSON.stringify({ id, name, host, port, tags, meta });
  }

  /** The instance in a file, or the reason why it is not one, which does not quote the value. */
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

function instanceIn(value: string): InstanceData | undefined {
  const error = (problem: string): NotAnInstance => new NotAnInstance(problem);
  try {
    const fields = JsonReader.parse(value, { error });
    const meta = fields.record("meta", text);
    return {
      id: fields.require("id", text),
      name: fields.require("name", text),
      host: fields.require("host", text),
      port: fields.require("port", port),
      tags: fields.list("tags", text) ?? [],
      ...(meta !== undefined && { meta }),
    };
  } catch (reason) {
    if (reason instanceof NotAnInstance) return undefined;
    throw reason;
  }
}

class NotAnInstance extends Error {}
