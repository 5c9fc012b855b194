import { unknownField } from "../util/fields.js";
import { isObject } from "../util/is-object.js";
import { isPort } from "../util/reader.js";
import { badArgument, kindOf, show } from "../util/validate.js";
import { AgentError } from "./errors.js";

/** What a backend keeps of an instance. */
export interface InstanceData {
  /** Unique within the service; where a backend keeps ids per node, within the node. */
  readonly id: string;
  /** The name of the service. */
  readonly name: string;
  /** Host name or IP address. */
  readonly host: string;
  /** 0 to 65535. */
  readonly port: number;
  /** Without repetitions. Their order means nothing. */
  readonly tags: readonly string[];
  /** Absent if none was given. */
  readonly meta?: Readonly<Record<string, string>>;
  /** Identifies it within the service where the id alone does not. @default the id */
  readonly key?: string | undefined;
}

/** A running copy of a service. Deeply frozen. */
export interface Instance extends Omit<InstanceData, "key"> {
  /** Whether it was registered through the agent that returned it. */
  readonly local: boolean;
  /** `host:port`, with an IPv6 host in brackets. */
  addr(): string;
}

/** An instance to register. */
export interface NewInstance {
  /** @default a random UUID */
  readonly id?: string | undefined;
  /** The name of the service. */
  readonly name: string;
  /** Host name or IP address. Ignored by an agent with an `advertiseAddress`. @default this machine's, as the backend knows it */
  readonly addr?: string | undefined;
  /** 0 to 65535. */
  readonly port: number;
  /** Added to the agent's default tags, without repetitions. @default [] */
  readonly tags?: readonly string[] | undefined;
  /** Free text for the instance's users. @default none */
  readonly meta?: Readonly<Record<string, string>> | undefined;
}

/**
 * Makes a frozen instance from what a backend keeps. Copies it.
 *
 * @param local see {@link Instance.local}
 * @throws {UsageError} for data with missing or wrong fields
 */
export function createInstance(data: InstanceData, local: boolean): Instance {
  requireInstanceData("data", data);
  if (typeof (local as unknown) !== "boolean") badArgument(`local must be true or false, got ${kindOf(local)}`);
  return freezeInstance(data, local);
}

/** A frozen copy of data that is known to be good. */
export function freezeInstance(data: InstanceData, local: boolean): Instance {
  return new FrozenInstance(data, local);
}

/** Identifies an instance within its service: its {@link InstanceData.key}, or else its id. */
export function keyOfInstance(instance: Instance): string {
  return FrozenInstance.keyOf(instance);
}

class FrozenInstance implements Instance {
  readonly local: boolean;
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tags: readonly string[];
  declare readonly meta?: Readonly<Record<string, string>>;
  readonly #key: string;

  static keyOf(instance: Instance): string {
    return #key in instance ? instance.#key : instance.id;
  }

  constructor({ id, name, host, port, tags, meta, key = id }: InstanceData, local: boolean) {
    this.#key = key;
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
    const isBare = !this.host.includes(":") || this.host.startsWith("[");
    return `${isBare ? this.host : `[${this.host}]`}:${String(this.port)}`;
  }
}

/** Whether two instances are equal. The order of tags means nothing. */
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

/** Whether an instance carries all of these tags. */
export function hasTags({ tags }: Pick<InstanceData, "tags">, wanted: readonly string[]): boolean {
  return wanted.every((tag) => tags.includes(tag));
}

function sameTags(a: readonly string[], b: readonly string[]): boolean {
  return a.every((tag) => b.includes(tag)) && b.every((tag) => a.includes(tag));
}

function sameMeta(a: InstanceData["meta"] = {}, b: InstanceData["meta"] = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}

/** Checks data from outside. @throws {UsageError} naming the field */
function requireInstanceData(what: string, data: unknown): asserts data is InstanceData {
  if (!isObject(data)) badArgument(`${what} must be an object with id, name, host, port and tags, got ${kindOf(data)}`);
  for (const name of ["id", "name", "host"]) {
    if (!isText(data[name])) badArgument(`${what}.${name} must be a string, got ${kindOf(data[name])}`);
  }
  if (!isPort(data["port"]))
    badArgument(`${what}.port must be a whole number from 0 to 65535, got ${show(data["port"])}`);
  if (!isTextArray(data["tags"])) badArgument(`${what}.tags must be an array of strings`);
  if (data["meta"] !== undefined && !isTextRecord(data["meta"]))
    badArgument(`${what}.meta must be an object of strings`);
  if (data["key"] !== undefined && !isText(data["key"])) badArgument(`${what}.key must be a string`);
}

/** A checked copy of an instance to register. @throws {AgentError} `ERR_INVALID_REGISTRATION` */
export function checkNewInstance(given: NewInstance): NewInstance {
  if (!isObject(given)) invalid(`an instance must be an object with name and port, got ${kindOf(given)}`);
  const unknown = unknownField("an instance", given, fieldNames);
  if (unknown !== undefined) invalid(unknown);
  const { id, name, addr, port, tags, meta } = given;
  requireFilled("name", name);
  if (id !== undefined) requireFilled("id", id);
  if (addr !== undefined && !isText(addr)) invalid("addr must be a string");
  if (!isPort(port)) invalid(`port must be a whole number from 0 to 65535, got ${show(port)}`);
  if (tags !== undefined && !isTextArray(tags)) invalid("tags must be an array of strings");
  if (meta !== undefined && !isTextRecord(meta)) invalid("meta must be an object of strings");
  return { id, name, addr, port, tags: [...(tags ?? [])], meta: meta === undefined ? undefined : { ...meta } };
}

function requireFilled(what: string, value: unknown): void {
  if (!isText(value) || value === "") invalid(`${what} must be a string that is not empty`);
}

/** A string that UTF-8 can encode. */
function isText(value: unknown): value is string {
  return typeof value === "string" && value.isWellFormed();
}

function isTextArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

function isTextRecord(value: unknown): value is Readonly<Record<string, string>> {
  return isObject(value) && Object.entries(value).every(([name, text]) => isText(name) && isText(text));
}

function invalid(message: string): never {
  throw new AgentError("ERR_INVALID_REGISTRATION", message);
}

const fieldNames: readonly string[] = Object.keys({
  id: true,
  name: true,
  addr: true,
  port: true,
  tags: true,
  meta: true,
} satisfies Record<keyof NewInstance, true>);
