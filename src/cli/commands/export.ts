import { KeysAPI } from "../../core/index.js";
import type { Command } from "../command.js";
import { Progress } from "../progress.js";
import { walk } from "../walk.js";

/** `etcd2 export DIR` */
export const exportCommand: Command = {
  summary: "write all keys below a directory to stdout, as JSON lines",
  usage: "DIR",
  options: {},
  help: {},
  examples: ["etcd2 export / > backup.jsonl", "etcd2 export /app | gzip > app.jsonl.gz"],
  args: { min: 1, max: 1 },
  run: async ({ args: [key = ""], io, out, signal, connect }) => {
    const keys = new KeysAPI(await connect());
    // stdout holds the keys
    const progress = new Progress(io, { phase: "export", json: out.json ? io.stderr : undefined });
    try {
      await walk(keys, key, signal, async (node, isEmpty) => {
        const { ttl } = node;
        // its keys create the directory on import, too
        if (node.dir && !isEmpty && ttl === undefined) return;
        const entry = node.dir ? { key: node.key, dir: true, ttl } : { key: node.key, value: node.value, ttl };
        await out.raw(`${JSON.stringify(entry)}\n`);
        progress.step(node.key);
      });
    } catch (error) {
      progress.clear();
      throw error;
    }
    progress.end(0);
    return undefined;
  },
};
