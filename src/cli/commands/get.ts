import { KeysAPI } from "../../core/index.js";
import type { Command } from "../command.js";
import { CommandFailed } from "../io.js";

/** `etcd2 get KEY` */
export const get: Command = {
  summary: "print the value of a key",
  usage: "KEY",
  options: {},
  help: {},
  examples: ["etcd2 get /app/greeting", "etcd2 --json get /app/greeting"],
  args: { min: 1, max: 1 },
  run: async ({ args: [key = ""], out, signal, connect }) => {
    const keys = new KeysAPI(await connect());
    const { node } = await keys.get(key, { signal });
    if (node.dir) throw new CommandFailed(`${node.key} is a directory: list it with etcd2 ls`);
    const { value, ttl, createdIndex, modifiedIndex } = node;
    await out.line(value, { key: node.key, value, ttl, createdIndex, modifiedIndex });
    return undefined;
  },
};
