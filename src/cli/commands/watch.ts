import { isIndexCleared, KeysAPI, type KeysResponse } from "../../core/index.js";
import type { Command } from "../command.js";
import { CommandFailed } from "../io.js";
import type { Output } from "../output.js";
import { countOf, flagOf } from "../values.js";

/** `etcd2 watch KEY` */
export const watch: Command = {
  summary: "print the changes of a key until Ctrl-C",
  usage: "[-r] [--after N] KEY",
  options: { recursive: { type: "boolean", short: "r" }, after: { type: "string" } },
  help: { recursive: "also changes below it", after: "N: begin after this index, instead of now" },
  examples: ["etcd2 watch -r /app", "etcd2 --json watch --after 1200 -r / | jq .key"],
  args: { min: 1, max: 1 },
  run: async ({ args: [key = ""], values, out, signal, connect }) => {
    const afterIndex = countOf(values, "after");
    const keys = new KeysAPI(await connect());
    const watcher = keys.watcher(key, { recursive: flagOf(values, "recursive"), afterIndex });
    try {
      for await (const event of watcher.events(signal)) await print(out, event);
    } catch (error) {
      if (isIndexCleared(error))
        throw new CommandFailed(
          "etcd no longer has the history after that index: read the keys, and watch without --after",
        );
      throw error;
    }
    return undefined;
  },
};

const colours = { set: "green", create: "green", update: "yellow", compareAndSwap: "yellow" } as const;

async function print(out: Output, { action, node, prevNode }: KeysResponse): Promise<void> {
  const colour = action in colours ? colours[action as keyof typeof colours] : "red";
  const { key, dir, value, ttl, modifiedIndex: index } = node;
  const hasValue = !dir && !["delete", "expire", "compareAndDelete"].includes(action);
  const words = [String(index), out.coloured(colour, action), dir ? `${key}/` : key];
  // quoted, so that an event is one line
  if (hasValue) words.push(JSON.stringify(value));
  const fields = {
    index,
    action,
    key,
    ...(dir && { dir }),
    ...(hasValue && { value }),
    ttl,
    prevValue: prevNode?.value,
  };
  await out.line(words.join(" "), fields);
}
