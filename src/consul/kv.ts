import type { RequestSpec, Sender } from "../http/exchange.js";
import { count, object, text, type Read } from "../util/reader.js";
import { badArgument, requireText } from "../util/validate.js";
import { decodeList, textOrEmpty } from "./decode.js";
import { ConsulError, NotFoundError } from "./errors.js";
import { checkOptions, request, requireCleanPath, specOf } from "./request.js";
import { compareBytes } from "../util/compare-bytes.js";
import { textOf } from "./text.js";
import type { KV, RequestOptions } from "./types.js";

/** The calls about keys and values. */
export function kvCalls(sender: Sender): KV {
  const getBytes = async (path: string, options?: RequestOptions): Promise<Uint8Array> => {
    const { dc, signal } = checkOptions(options);
    const spec = specOf("GET", keyPath(path), { dc });
    const [entry] = decodeList(spec, await request(sender, spec, signal), readEntry);
    if (entry === undefined) throw new NotFoundError(spec);
    return entry.value;
  };
  return {
    getBytes,
    async get(path, options) {
      const bytes = await getBytes(path, options);
      return textOf(bytes) ?? notText(specOf("GET", keyPath(path)));
    },
    async put(path, value, options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("PUT", keyPath(path), { dc });
      await request(sender, { ...spec, ...bodyOf(value) }, signal);
    },
    async delete(path, options) {
      const { dc, signal } = checkOptions(options);
      await request(sender, specOf("DELETE", keyPath(path), { dc }), signal);
    },
    async keys(path, options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", prefixPath(path), { dc, keys: "true" });
      return decodeList(spec, await request(sender, spec, signal), text).sort(compareBytes);
    },
    async recurse(path, options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", prefixPath(path), { dc, recurse: "true" });
      const entries = decodeList(spec, await request(sender, spec, signal), readEntry);
      entries.sort((a, b) => compareBytes(a.key, b.key));
      return entries.map(({ key, value }) => [key, textOf(value) ?? notText(spec)]);
    },
  };
}

/** A key as Consul stores it. */
export interface KVEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** The id of the session that holds it; "" if none does. */
  readonly session: string;
  /** Consul's index when it was created. */
  readonly createIndex: number;
  /** Consul's index when it was changed last. */
  readonly modifyIndex: number;
}

/** An entry of a response. */
export const readEntry: Read<KVEntry> = (value, place) => {
  const entry = object(value, place);
  return {
    key: textOrEmpty(entry, "Key"),
    value: Buffer.from(textOrEmpty(entry, "Value"), "base64"),
    session: textOrEmpty(entry, "Session"),
    createIndex: entry.get("CreateIndex", count) ?? 0,
    modifyIndex: entry.get("ModifyIndex", count) ?? 0,
  };
};

/** The path of a key. @throws {UsageError} for a key that Consul would redirect, or "" */
export function keyPath(key: string): string {
  const path = prefixPath(key);
  if (path === kvRoot) badArgument("path must not be empty");
  return path;
}

function prefixPath(prefix: string): string {
  requireText("path", prefix);
  const path = prefix.replace(/^\//, "");
  requireCleanPath("path", path);
  return kvRoot + path.split("/").map(encodeURIComponent).join("/");
}

const kvRoot = "/v1/kv/";

function bodyOf(value: string | Uint8Array): Pick<RequestSpec, "body" | "bytes"> {
  if (value instanceof Uint8Array) return { bytes: value.slice() };
  requireText("value", value);
  return { body: value };
}

function notText(spec: RequestSpec): never {
  throw new ConsulError("ERR_DECODE", "a value is not UTF-8 text: read it with getBytes", spec);
}
