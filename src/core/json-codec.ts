import { CodecRefusal, type Codec } from "./codec.js";
import { badArgument } from "../util/validate.js";

/** A validator that follows the Standard Schema specification, as those of zod, valibot and ArkType do. Version 1. */
export interface StandardSchema<Output> {
  /** The validator itself. */
  readonly "~standard": {
    /** The version of the specification. */
    readonly version: 1;
    /** The name of the library that made it. */
    readonly vendor: string;
    /** Checks a value, and returns it as it is to be used, or what is wrong with it. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Exists for the compiler only. */
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** What a {@link StandardSchema} makes of a value: the value, or what is wrong with it. */
export type SchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong with a value. */
export interface SchemaIssue {
  /** May quote the value, so it is never shown. */
  readonly message: string;
  /** Where it is wrong. Absent: the whole value. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * Stores values as JSON.
 *
 * With a schema, every value that is read has passed it, and every value that is written, too, after a round trip
 * through JSON: what could not be read back is refused before anything is sent. Without a schema nothing checks that a
 * value is a `T`.
 *
 * @param schema any Standard Schema validator; it may be asynchronous
 * @throws {UsageError} for something else
 * @example
 * const colors = keys.withCodec(jsonCodec(z.object({ name: z.string(), hex: z.string() })));
 * await colors.set("/colors/red", { name: "red", hex: "#f00" });
 */
export function jsonCodec<Output>(schema: StandardSchema<Output>): Codec<Output>;

export function jsonCodec<T = unknown>(): Codec<T>;
export function jsonCodec(schema?: StandardSchema<unknown>): Codec<unknown> {
  if (schema === undefined) return { encode: toJson, decode: fromJson };
  const validate = validatorOf(schema);
  const decode = async (text: string): Promise<unknown> => {
    const result = await validate(fromJson(text));
    if (result.issues !== undefined) throw new CodecRefusal(`it does not match the schema${placeOf(result.issues)}`);
    return result.value;
  };
  const encode = async (value: unknown): Promise<string> => {
    const text = toJson(value);
    await decode(text);
    return text;
  };
  return { encode, decode };
}

function validatorOf(schema: StandardSchema<unknown>): StandardSchema<unknown>["~standard"]["validate"] {
  const given: unknown = schema;
  const isSchema =
    ((typeof given === "object" && given !== null) || typeof given === "function") && "~standard" in given;
  if (!isSchema) badArgument('schema must be a Standard Schema validator: it has no property "~standard"');
  return (value) => schema["~standard"].validate(value);
}

function toJson(value: unknown): string {
  let text: unknown;
  try {
    text = JSON.stringify(value);
  } catch {
    throw new CodecRefusal("JSON cannot represent it (a BigInt, or a value that contains itself)");
  }
  // for undefined, functions and symbols
  if (typeof text !== "string") throw new CodecRefusal("JSON cannot represent it");
  return text;
}

/** The message of JSON.parse quotes the text. */
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CodecRefusal("it is not JSON");
  }
}

/** The place of the first issue. Its segments are names of fields; only short plain ones are shown. */
function placeOf([first]: readonly SchemaIssue[]): string {
  const names = (first?.path ?? []).map((segment) => {
    const name = String(typeof segment === "object" ? segment.key : segment);
    return /^[\w$-]{1,40}$/.test(name) ? name : "…";
  });
  return names.length === 0 ? "" : ` at "${names.join(".")}"`;
}
