#!/usr/bin/env node
import { Interrupted } from "./io.js";
import { run } from "./run.js";

const stop = new AbortController();
for (const [name, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const) {
  process.on(name, () => {
    // a second signal does not wait
    if (stop.signal.aborted) process.exit(128 + number);
    stop.abort(new Interrupted(128 + number));
  });
}
// the reader of a pipe closed it: `etcd2 ls / | head -1`
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

const { stdin, stdout, stderr, env } = process;
// not awaited here: in the bundle, what is imported when it is needed is defined below this module
void run(process.argv.slice(2), { stdin, stdout, stderr, env, signal: stop.signal }).then((code) => {
  process.exitCode = code;
  // a terminal or a pipe that still waits for input would keep the process alive
  stdin.destroy();
});
