import { AgentError } from "./errors.js";

/** What a backend keeps of an instance. */
export interface InstanceData {
  /** Unique within the service. */
  readonly id: string;
  /** Of the service. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tags: readonly string[];
  /** Absent: none were given. */
  readonly meta?: Readonly<Record<string, string>>;
}

/** A running copy of a service. Frozen. */
export interface Instance extends InstanceData {
  /** Whether it was registered through the agent that tells of it. */
  readonly local: boolean;
  /** `host:port`, an IPv6 host in brackets. */
  addr(): string;
}

/** What you register. */
export interface NewInstance {
  /** @default a random UUID */
  readonly id?: string | undefined;
  /** Of the service. */
  readonly name: string;
  /** Host name or IP address. An agent with an advertised address uses that instead. @default this machine's, as the backend knows it */
  readonly addr?: string | undefined;
  /** 0 to 65535. */
  readonly port: number;
  /** Added to the agent's default tags; repeated ones count once. @default [] */
  readonly tags?: readonly string[] | undefined;
  readonly meta?: Readonly<Record<string, string>> | undefined;
}

/** Makes an instance of what a backend keeps. */
export function createInstance(data: InstanceData, local: boolean): Instance {
  return new FrozenInstance(data, local);
}

class FrozenInstance implements Instance {
  readonly local: boolean;
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tags: readonly string[];
  declare readonly meta?: Readonly<Record<string, string>>;

  constructor({ id, name, host, port, tags, meta }: InstanceData, local: boolean) {
    this.local = local;
    this.id = id;
    this.name = name;
    this.host = host;
    this.port = port;
    this.tags = Object.freeze([...tags]);
    if (meta !== undefined) this.meta = Object.freeze({ ...meta });
    Object.freeze(this);
  }

  addr(): string {
    const bare = !this.host.includes(":") || this.host.startsWith("[");
    return `${bare ? this.host : `[${this.host}]`}:${String(this.port)}`;
  }
}

/** Whether nothing differs; the order of tags means nothing. */
export function sameInstance(a: Instance, b: Instance): boolean {
  return (
    a.local === b.local &&
    a.name === b.name &&
    a.host === b.host &&
    a.port === b.port &&
    sameTags(a.tags, b.tags) &&
    sameMeta(a.meta, b.meta)
  );
}

export function hasTags({ tags }: InstanceData, wanted: readonly string[]): boolean {
  return wanted.every((tag) => tags.includes(tag));
}

function sameTags(a: readonly string[], b: readonly string[]): boolean {
  return a.every((tag) => b.includes(tag)) && b.every((tag) => a.includes(tag));
}

function sameMeta(a: InstanceData["meta"] = {}, b: InstanceData["meta"] = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}

/** A copy of what is to be registered, checked. @throws {AgentError} `INVALID_REGISTRATION` */
export function checkNewInstance(given: NewInstance): NewInstance {
  if (typeof given !== "object" || (given as unknown) === null) invalid("an instance must be an object");
  for (const field in given) {
    if (!fieldNames.has(field)) invalid(`an instance has no field "${field}"; it knows ${[...fieldNames].join(", ")}`);
  }
  const { id, name, addr, port, tags, meta } = given;
  requireFilled("name", name);
  if (id !== undefined) requireFilled("id", id);
  if (addr !== undefined && !isText(addr)) invalid("addr must be a string");
  if (!Number.isInteger(port) || port < 0 || port > 65_535) invalid("port must be a whole number from 0 to 65535");
  if (tags !== undefined && !(Array.isArray(tags) && tags.every(isText))) invalid("tags must be an array of strings");
  if (meta !== undefined && !isTextRecord(meta)) invalid("meta must be an object of strings");
  return { id, name, addr, port, tags: [...(tags ?? [])], meta: meta === undefined ? undefined : { ...meta } };
}

function requireFilled(what: string, value: unknown): void {
  if (!isText(value) || value === "") invalid(`${what} must be a string that is not empty`);
}

/** Text that UTF-8 can carry. */
function isText(value: unknown): value is string {
  return typeof value === "string" && value.isWellFormed();
}

function isTextRecord(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(([name, text]) => isText(name) && isText(text));
}

function invalid(message: string): never {
  throw new AgentError("INVALID_REGISTRATION", message);
}

const fieldNames: ReadonlySet<string> = new Set<keyof NewInstance>(["id", "name", "addr", "port", "tags", "meta"]);
