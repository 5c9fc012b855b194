import { Client, KeysAPI, type Exchange } from "../../src/core/index.js";
import type { Subject } from "./subject.js";

/** This package; its default transport where none is given. */
export function sdk(url: string, transport?: Exchange): Subject {
  const client = new Client({ endpoints: [url], transport });
  const keys = new KeysAPI(client);
  return {
    get: (key, signal) => (signal === undefined ? keys.get(key) : keys.get(key, { signal })),
    put: (key, value) => keys.set(key, value),
    list: (dir) => keys.get(dir, { recursive: true }),
    watch: (key, afterIndex, onEvent) => {
      const watcher = keys.watcher(key, { afterIndex });
      void (async () => {
        for await (const { node } of watcher.events()) onEvent(node.value);
      })().catch(() => undefined);
    },
    close: () => client.close(),
  };
}
