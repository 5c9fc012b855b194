import { getEventListeners, once } from "node:events";
import { Client } from "../core/client.js";
import { UsageError } from "../util/errors.js";
import { KeysAPI } from "../core/keys.js";

// each runs in a process of its own, against a server in the test's process: program, then the server's URL
const [, , program = "", url = ""] = process.argv;

/** Measures what many calls leave behind on one signal that outlives them. */
async function heap(): Promise<object> {
  const { signal } = new AbortController();
  const warnings: string[] = [];
  process.on("warning", ({ name }) => warnings.push(name));
  await using client = new Client({ endpoints: [url], headerTimeoutMs: 60_000 });
  const keys = new KeysAPI(client);
  const run = async (calls: number): Promise<void> => {
    for (let i = 0; i < calls; i += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, j) =>
          keys.get(j % 2 === 0 ? "/k" : "/missing", { signal }).catch(() => undefined),
        ),
      );
    }
  };
  await run(2_000);
  const before = heapUsed();
  await run(10_000);
  return { grown: heapUsed() - before, listeners: getEventListeners(signal, "abort").length, warnings };
}

function heapUsed(): number {
  if (globalThis.gc === undefined) throw new Error("needs --expose-gc");
  for (let i = 0; i < 3; i++) globalThis.gc();
  return process.memoryUsage().heapUsed;
}

/** Closes a client that is busy in every way once stdin ends. The process must then end by itself. */
async function close(): Promise<object> {
  const client = new Client({ endpoints: [url], headerTimeoutMs: 60_000, maxInFlight: 3 });
  const keys = new KeysAPI(client);
  await keys.get("/k");
  const pending = [
    client.autoSync(3_600_000),
    keys.watcher("/watched").next(),
    keys.watcher("/silent").next(),
    // the first three of these are in flight in the end, the others in the queue
    ...Array.from({ length: 6 }, () => keys.get("/silent")),
    client.sync(),
  ].map((call) =>
    call.then(
      () => "resolved",
      (error: unknown) => (error instanceof UsageError ? error.code : String(error)),
    ),
  );
  process.stdin.resume();
  await once(process.stdin, "end");
  await client.close();
  const results = await Promise.all(pending);
  return {
    results,
    after: await keys.get("/k").catch((error: unknown) => (error instanceof UsageError ? error.code : String(error))),
  };
}

const result = await (program === "heap" ? heap() : close());
process.stdout.write(JSON.stringify(result));
