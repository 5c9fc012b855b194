// A fake in a worker thread: a key expires there, by a manual clock.
import { Worker, isMainThread, parentPort } from "node:worker_threads";
import { Client, KeysAPI } from "../../core/index.js";
import { manualClock } from "../clock.js";
import { startFakeEtcd } from "../fake-etcd.js";

if (isMainThread) {
  new Worker(new URL(import.meta.url)).on("message", (action: string) => {
    console.log(action);
  });
} else {
  const etcd = await startFakeEtcd({ clock: manualClock() });
  const client = new Client({ endpoints: etcd.endpoints });
  const keys = new KeysAPI(client);
  await keys.set("/a", "1", { ttl: 1 });
  const event = keys.watcher("/a").next();
  await etcd.untilWatched("/a");
  await etcd.tick(1_500);
  parentPort?.postMessage((await event).action);
  await client.close();
  await etcd.close();
}
