import type { RequestSpec, Sender } from "../http/exchange.js";
import { badArgument, requireText } from "../util/validate.js";
import { ConsulError, NotFoundError } from "./errors.js";
import { decode, Fields, list, texts } from "./fields.js";
import { checkOptions, request, requireCleanPath, specOf } from "./request.js";
import { compareBytes, textOf } from "./text.js";
import type { KV, RequestOptions } from "./types.js";

/** The calls about keys and values. */
export function kvCalls(sender: Sender): KV {
  const getBytes = async (path: string, options?: RequestOptions): Promise<Uint8Array> => {
    const { dc, signal } = checkOptions(options);
    const spec = specOf("GET", keyPath(path), { dc });
    const [entry] = decode(spec, await request(sender, spec, signal), readEntries);
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
      return decode(spec, await request(sender, spec, signal), (value) => texts(value)).sort(compareBytes);
    },
    async recurse(path, options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", prefixPath(path), { dc, recurse: "true" });
      const entries = decode(spec, await request(sender, spec, signal), readEntries);
      entries.sort((a, b) => compareBytes(a.key, b.key));
      return entries.map(({ key, value }) => [key, textOf(value) ?? notText(spec)]);
    },
  };
}

/** An entry as Consul keeps it. */
export interface KVEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Of the session that holds it; "" when none does. */
  readonly session: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

export function readEntries(value: unknown): KVEntry[] {
  return list(value, (item) => {
    const entry = new Fields(item);
    return {
      key: entry.text("Key"),
      value: Buffer.from(entry.text("Value"), "base64"),
      session: entry.text("Session"),
      createIndex: entry.index("CreateIndex"),
      modifyIndex: entry.index("ModifyIndex"),
    };
  });
}

/** Where a key is. @throws {UsageError} for one that cannot be addressed */
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
  throw new ConsulError("DECODE", "a value is not UTF-8 text: read it with getBytes", spec);
}
