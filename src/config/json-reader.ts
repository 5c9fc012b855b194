import { ConfigError } from "./errors.js";

/** Reads the fields of a decoded JSON object. `null` counts as absent, as other writers of the registry send it. No message quotes a value. */
export class JsonReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #where: string;

  private constructor(fields: Readonly<Record<string, unknown>>, where: string) {
    this.#fields = fields;
    this.#where = where;
  }

  /** @throws {ConfigError} `ERR_DECODE`: the text is not a JSON object */
  static parse(text: string, where: string): JsonReader {
    if (text.trim() === "") throw new ConfigError("ERR_DECODE", where, "the text is empty");
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // the parser's own error quotes the text
      throw new ConfigError("ERR_DECODE", where, "the text is not JSON");
    }
    if (!isObject(value)) throw new ConfigError("ERR_DECODE", where, "the text is not a JSON object");
    return new JsonReader(value, where);
  }

  /** The same object, with the names of its fields in lower case; of two that then are one, the last. */
  lowerCased(): JsonReader {
    return new JsonReader(
      Object.fromEntries(Object.entries(this.#fields).map(([name, value]) => [name.toLowerCase(), value])),
      this.#where,
    );
  }

  fail(message: string): never {
    throw new ConfigError("ERR_DECODE", this.#where, message);
  }

  text(name: string): string | undefined {
    const value = this.#get(name);
    return value === undefined || typeof value === "string" ? value : this.fail(`${name} is not a text`);
  }

  boolean(name: string): boolean | undefined {
    const value = this.#get(name);
    return value === undefined || typeof value === "boolean" ? value : this.fail(`${name} is not true or false`);
  }

  port(name: string): number | undefined {
    const value = this.#get(name);
    return value === undefined || isPort(value) ? value : this.fail(`${name} is not a port`);
  }

  /** A number, or a text. */
  portOrName(name: string): number | string | undefined {
    return typeof this.#get(name) === "string" ? this.text(name) : this.port(name);
  }

  /** One of the given texts, the first when absent or empty. */
  oneOf<T extends string>(name: string, texts: readonly [T, ...T[]]): T {
    const value = this.text(name) ?? "";
    if (value === "") return texts[0];
    return texts.find((text) => text === value) ?? this.fail(`${name} is not one of ${texts.join(", ")}`);
  }

  texts(name: string): readonly string[] | undefined {
    return this.#list(name)?.map((each) =>
      typeof each === "string" ? each : this.fail(`${name} holds something that is not a text`),
    );
  }

  textMap(name: string): Readonly<Record<string, string>> | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (!isObject(value)) this.fail(`${name} is not an object`);
    return Object.fromEntries(
      Object.entries(value).map(([key, text]) => [
        key,
        typeof text === "string" ? text : this.fail(`${name} holds something that is not a text`),
      ]),
    );
  }

  object(name: string): JsonReader | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    return isObject(value) ? new JsonReader(value, this.#where) : this.fail(`${name} is not an object`);
  }

  objects(name: string): readonly JsonReader[] | undefined {
    return this.#list(name)?.map((each) =>
      isObject(each) ? new JsonReader(each, this.#where) : this.fail(`${name} holds something that is not an object`),
    );
  }

  /** RFC 3339. */
  time(name: string): string | undefined {
    const text = this.text(name);
    return text === undefined || (rfc3339.test(text) && !Number.isNaN(Date.parse(text)))
      ? text
      : this.fail(`${name} is not an RFC 3339 time`);
  }

  /** A whole number, or its digits, as digits; 0 and "" mean absent. */
  version(name: string): string | undefined {
    const value = this.#get(name);
    if (value === undefined || value === 0 || value === "") return undefined;
    if (typeof value === "string") return value;
    return typeof value === "number" && Number.isSafeInteger(value) && value > 0
      ? String(value)
      : this.fail(`${name} is not a version`);
  }

  #list(name: string): readonly unknown[] | undefined {
    const value = this.#get(name);
    return value === undefined || Array.isArray(value) ? value : this.fail(`${name} is not an array`);
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? (this.#fields[name] ?? undefined) : undefined;
  }
}

export function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
