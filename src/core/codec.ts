import { brandError } from "../util/brand.js";
import { asErrorLike } from "../util/error-like.js";
import { SdkError } from "../util/errors.js";
import { badArgument, requireText } from "../util/validate.js";
import type { KeyNode } from "./types.js";

/** Turns values into the texts that etcd stores, and back. Both functions may throw, or reject. */
export interface Codec<T> {
  /** The text to store. If it throws, nothing is sent. */
  readonly encode: (value: T) => string | Promise<string>;
  /** The value of a stored text. */
  readonly decode: (text: string) => T | Promise<T>;
}

/**
 * A stored value cannot be decoded: it is not what the codec, or its schema, expects. Names the key and never quotes the
 * value. To see what is stored, read the key with `KeysAPI.get`.
 */
export class DecodeError extends SdkError {
  static {
    brandError(this, "DecodeError");
  }
  /** What happened: a stored value could not be decoded. */
  readonly code = "ERR_DECODE";
  /** The key of the value. */
  readonly key: string;
  /** The `modifiedIndex` at which the value was written. */
  readonly index: number;

  /** @param why what is wrong, without the value */
  constructor(key: string, index: number, why: string) {
    super(`the value of ${JSON.stringify(key)} at index ${String(index)} cannot be decoded: ${why}`);
    this.key = key;
    this.index = index;
  }
}

/** Thrown by our own codecs: a message that can be shown. */
export class CodecRefusal extends Error {}

/** Whether this is a codec. @throws {UsageError} */
export function requireCodec(codec: unknown): void {
  const { encode, decode } = (codec ?? {}) as Partial<Record<keyof Codec<unknown>, unknown>>;
  if (typeof encode !== "function" || typeof decode !== "function")
    badArgument("codec must be an object with the functions encode and decode");
}

/** @throws {UsageError} the codec refused the value, or did not return a text */
export async function encoded<T>(codec: Codec<T>, value: T): Promise<string> {
  let text: unknown;
  try {
    text = await codec.encode(value);
  } catch (error) {
    badArgument(`value cannot be encoded: ${reasonOf(error)}`);
  }
  requireText("the text that codec.encode returns", text);
  return text;
}

/** @throws {DecodeError} */
export async function decoded<T>(codec: Codec<T>, node: KeyNode): Promise<T> {
  const result = await tryDecode(codec, node);
  if (result instanceof DecodeError) throw result;
  return result.value;
}

/** The value of a file, or why it cannot be decoded. Never rejects. */
export async function tryDecode<T>(
  codec: Codec<T>,
  { key, value, modifiedIndex }: KeyNode,
): Promise<{ readonly value: T } | DecodeError> {
  try {
    return { value: await codec.decode(value) };
  } catch (error) {
    return new DecodeError(key, modifiedIndex, reasonOf(error));
  }
}

/** A message of another codec may quote the value, as that of `JSON.parse` does: only its error's name is shown. */
function reasonOf(error: unknown): string {
  if (error instanceof CodecRefusal) return error.message;
  return `the codec threw ${asErrorLike(error)?.name ?? "something that is not an error"}`;
}
