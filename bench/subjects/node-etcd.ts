import { createRequire } from "node:module";
import { packagesFolder } from "../packages.js";
import { promised, type Callback } from "./promised.js";
import type { Answer, Subject } from "./subject.js";

interface NodeEtcd {
  get(key: string, options: object, callback: Callback): void;
  set(key: string, value: string, callback: Callback): void;
  watcher(
    key: string,
    index: number | null,
  ): { on(event: "change", listener: (body: Answer) => void): unknown; stop(): void };
}

export function nodeEtcd(url: string): Subject {
  const Etcd = createRequire(`${packagesFolder("node-etcd")}/`)("node-etcd") as new (url: string) => NodeEtcd;
  const client = new Etcd(url);
  const watchers: { stop(): void }[] = [];
  return {
    get: (key) =>
      promised((done) => {
        client.get(key, {}, done);
      }),
    put: (key, value) =>
      promised((done) => {
        client.set(key, value, done);
      }),
    list: (dir) =>
      promised((done) => {
        client.get(dir, { recursive: true }, done);
      }),
    watch: (key, afterIndex, onEvent) => {
      const watcher = client.watcher(key, afterIndex === 0 ? null : afterIndex + 1);
      watcher.on("change", ({ node }) => {
        onEvent(node.value);
      });
      watchers.push(watcher);
    },
    close: () => {
      for (const watcher of watchers) watcher.stop();
    },
  };
}
