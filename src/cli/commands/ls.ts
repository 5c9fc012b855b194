import { KeysAPI, type KeyNode } from "../../core/index.js";
import type { Command, Context } from "../command.js";
import { flagOf } from "../values.js";
import { walk } from "../walk.js";
import { compareNodes } from "../../core/index.js";

/** `etcd2 ls [-r] [DIR]` */
export const ls: Command = {
  summary: "list the keys in a directory",
  usage: "[-r] [DIR]",
  options: { recursive: { type: "boolean", short: "r" } },
  help: { recursive: "also list the directories in it" },
  examples: ["etcd2 ls /", "etcd2 ls -r /app"],
  args: { min: 0, max: 1 },
  run: async (context) => {
    const { args, values, signal } = context;
    const keys = new KeysAPI(await context.connect());
    const [key = "/"] = args;
    if (flagOf(values, "recursive")) {
      await walk(keys, key, signal, (node) => print(context, node));
      return undefined;
    }
    const { node } = await keys.get(key, { signal });
    for (const each of node.dir ? [...node.nodes].sort(compareNodes) : [node]) await print(context, each);
    return undefined;
  },
};

async function print({ out }: Context, { key, dir, ttl, createdIndex, modifiedIndex }: KeyNode): Promise<void> {
  const text = dir ? out.coloured("blue", `${key}/`) : key;
  await out.line(text, { key, ...(dir && { dir }), ttl, createdIndex, modifiedIndex });
}
