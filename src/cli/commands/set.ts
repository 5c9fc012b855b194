import { text } from "node:stream/consumers";
import { KeysAPI, type KeysResponse, type SetOptions } from "../../core/index.js";
import type { Command, Context } from "../command.js";
import { BadUsage } from "../io.js";
import { countOf, flagOf, textOf } from "../values.js";

const kinds = ["create", "update", "in-order", "dir"] as const;

/** `etcd2 set KEY VALUE` */
export const set: Command = {
  summary: "write a value, - for stdin",
  usage: "[--ttl N] [--prev-value V] [--prev-index N] [--create|--update|--in-order|--dir] KEY [VALUE|-]",
  options: {
    ttl: { type: "string" },
    "prev-value": { type: "string" },
    "prev-index": { type: "string" },
    create: { type: "boolean" },
    update: { type: "boolean" },
    "in-order": { type: "boolean" },
    dir: { type: "boolean" },
  },
  help: {
    ttl: "N seconds until the key expires",
    "prev-value": "V: only if the key has this value",
    "prev-index": "N: only if the key has this modifiedIndex",
    create: "only if there is no such key",
    update: "only if there is such a key",
    "in-order": "make a key in the directory KEY, and print its name",
    dir: "make a directory, without a value",
  },
  examples: [
    "etcd2 set /app/greeting hello",
    "etcd2 set --ttl 60 /app/lock mine",
    "etcd2 set /app/config - < config.json",
  ],
  args: { min: 1, max: 2 },
  run: async (context) => {
    const { args, values, out } = context;
    const [key = "", given] = args;
    const chosen = kinds.filter((kind) => flagOf(values, kind));
    if (chosen.length > 1) throw new BadUsage(`--${chosen.join(" and --")} exclude each other`);
    const compares = textOf(values, "prev-value") !== undefined || textOf(values, "prev-index") !== undefined;
    if (compares && chosen.length > 0)
      throw new BadUsage(`--prev-value and --prev-index do not go with --${String(chosen[0])}`);
    const isDir = chosen[0] === "dir";
    if (isDir === (given !== undefined))
      throw new BadUsage(isDir ? "a directory has no value" : "set needs a VALUE, or - for stdin");
    countOf(values, "ttl");
    const keys = new KeysAPI(await context.connect());
    const value = given === "-" ? await text(context.io.stdin) : (given ?? "");
    const { action, node } = await write(keys, key, value, chosen[0], context);
    const { ttl, createdIndex, modifiedIndex } = node;
    if (out.json || chosen[0] === "in-order")
      await out.line(node.key, { action, key: node.key, ttl, createdIndex, modifiedIndex });
    return undefined;
  },
};

async function write(
  keys: KeysAPI,
  key: string,
  value: string,
  kind: (typeof kinds)[number] | undefined,
  { values, signal }: Context,
): Promise<KeysResponse> {
  const ttl = countOf(values, "ttl");
  switch (kind) {
    case "create":
      return keys.create(key, value, { ttl, signal });
    case "update":
      return keys.update(key, value, { ttl, signal });
    case "in-order":
      return keys.createInOrder(key, value, { ttl, signal });
    case "dir":
      return keys.create(key, "", { dir: true, ttl, signal });
    case undefined: {
      const options = {
        ttl,
        prevValue: textOf(values, "prev-value"),
        prevIndex: countOf(values, "prev-index"),
        signal,
      };
      return keys.set(key, value, options satisfies SetOptions);
    }
  }
}
