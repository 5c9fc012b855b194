// One subject in a process of its own: node --expose-gc worker.js <name> <url>. Tasks come in as lines on stdin, results go out on stdout.
import { createInterface } from "node:readline";
import type { Closed, Idle, Measured, Seen, Task } from "./protocol.js";
import type { NodeSubjectName } from "./subject-names.js";
import { subjects } from "./subjects/index.js";
import { openIdle } from "./worker-idle.js";
import { load } from "./worker-load.js";
import { watch } from "./worker-watch.js";

const [, , name = "", url = ""] = process.argv;
const make = subjects[name as NodeSubjectName];
const steady = make(url);

function say(result: Measured | Seen | Idle | Closed): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** What the next "stop" or "close" does. */
let end: (() => Promise<Measured | Closed>) | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line) as Task;
  switch (task.kind) {
    case "watch":
      end = await watch(make(url), task, say);
      break;
    case "idle": {
      const { idle, close } = await openIdle(make(url), task, url);
      end = close;
      say(idle);
      break;
    }
    case "stop":
    case "close":
      if (end !== undefined) say(await end());
      break;
    case "get":
    case "put":
    case "list":
      say(await load(steady, task));
  }
}
process.exit(0);
