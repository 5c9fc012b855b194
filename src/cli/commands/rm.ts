import { KeysAPI } from "../../core/index.js";
import type { Command } from "../command.js";
import { flagOf } from "../values.js";

/** `etcd2 rm KEY` */
export const rm: Command = {
  summary: "delete a key, or a directory",
  usage: "[-r] [--dir] KEY",
  options: { recursive: { type: "boolean", short: "r" }, dir: { type: "boolean" } },
  help: { recursive: "a directory and everything in it", dir: "an empty directory" },
  examples: ["etcd2 rm /app/greeting", "etcd2 rm -r /app"],
  args: { min: 1, max: 1 },
  run: async ({ args: [key = ""], values, out, signal, connect }) => {
    const keys = new KeysAPI(await connect());
    const recursive = flagOf(values, "recursive");
    const { action, node } = await keys.delete(key, { recursive, dir: flagOf(values, "dir"), signal });
    if (out.json) await out.line("", { action, key: node.key, modifiedIndex: node.modifiedIndex });
    return undefined;
  },
};
