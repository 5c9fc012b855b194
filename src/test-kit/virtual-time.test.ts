import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { spawn } from "node:child_process";
import { once } from "node:events";
import dns from "node:dns/promises";
import { test } from "node:test";
import { useVirtualTime } from "./virtual-time.js";
import { sleep } from "./waiting.js";

const time = useVirtualTime();

test("virtual time: timers fire in the order of their due time, those with the same due time in the order of their start", async () => {
  const begunMs = time.now();
  const seen: string[] = [];
  const note = (text: string): void => void seen.push(`${text} ${String(time.now() - begunMs)}`);
  setTimeout(note, 2_000, "b");
  setTimeout(note, 86_400_000, "d");
  setTimeout(note, 1_000.9, "a");
  setTimeout(note, 2_000, "c");
  clearTimeout(setTimeout(note, 1_500, "cancelled"));
  const realMs = process.hrtime.bigint();
  await sleep(86_400_000);
  assert.deepEqual(seen, ["a 1000", "b 2000", "c 2000", "d 86400000"]);
  assert.equal(performance.now(), time.now());
  assert.ok(process.hrtime.bigint() - realMs < 60n * 1_000_000_000n, "a day took less than a minute");
});

test("virtual time: an interval repeats until it is cleared, a timer that is refreshed starts again", async () => {
  const begunMs = time.now();
  const seen: number[] = [];
  const interval = setInterval(() => seen.push(time.now() - begunMs), 300);
  const late = setTimeout(() => {
    clearInterval(interval);
    seen.push(-1);
  }, 1_000);
  await sleep(600);
  late.refresh();
  await sleep(2_000);
  assert.deepEqual(seen, [300, 600, 900, 1_200, 1_500, -1]);
});

test("virtual time: Date.now() follows it", async () => {
  const begunMs = Date.now();
  await sleep(60_000);
  const passedMs = Date.now() - begunMs;
  assert.ok(passedMs >= 60_000 && passedMs <= 60_001, String(passedMs));
});

test("virtual time: time stands still while anything else can run", async () => {
  const begunMs = time.now();
  let fired = false;
  const timer = setTimeout(() => (fired = true), 1);
  for (let i = 0; i < 1_000; i++) await Promise.resolve();
  for (let i = 0; i < 2; i++) await new Promise(setImmediate);
  for (let i = 0; i < 20; i++) await dns.lookup("127.0.0.1");
  for (let i = 0; i < 20; i++) await dns.lookup("localhost");
  assert.equal(fired, false);
  assert.equal(time.now(), begunMs);
  clearTimeout(timer);
});

test("virtual time: after a standstill it is later, and what was due comes next", async () => {
  const begunMs = time.now();
  let firedMs = 0;
  setTimeout(() => (firedMs = time.now()), 1_000);
  time.standStill(5_000);
  assert.equal(time.now() - begunMs, 5_000);
  assert.equal(firedMs, 0);
  await sleep(1);
  assert.equal(firedMs - begunMs, 5_000);
});

test("virtual time: a callback runs in the async context of its start, and its error is reported as usual", async (t) => {
  const context = new AsyncLocalStorage<string>();
  const seen = await new Promise((resolve) => {
    context.run("mine", () =>
      setTimeout(() => {
        resolve(context.getStore());
      }, 10),
    );
  });
  assert.equal(seen, "mine");
  const child = program(
    t.signal,
    'process.on("uncaughtException", (error) => console.log(error.message)); setTimeout(() => { throw new Error("thrown"); }, 10); setTimeout(() => console.log("goes on"), 20);',
  );
  assert.equal(await child, "thrown\ngoes on\n");
});

test("virtual time: a process ends when only unreferenced timers are left, and waits for the others", async (t) => {
  const start =
    'setTimeout(() => console.log("unreferenced"), 1e9).unref(); const t = setTimeout(() => console.log("referenced"), 1e6);';
  assert.equal(await program(t.signal, start), "referenced\n");
  assert.equal(await program(t.signal, `${start} t.unref();`), "");
  assert.equal(await program(t.signal, `${start} t.unref(); t.ref();`), "referenced\n");
  // as long as something else keeps the process alive, they fire, too
  assert.equal(
    await program(
      t.signal,
      "const held = setTimeout(() => undefined, 60_000);",
      "setTimeout(() => (console.log(1), clearTimeout(held)), 5_000).unref();",
    ),
    "1\n",
  );
});

test("virtual time: time does not pass while there is a socket", async (t) => {
  const caught = 'process.once("uncaughtException", (error) => { console.log(error.message); process.exit(); });';
  const listening =
    'setTimeout(() => console.log("passed"), 1_000); (await import("node:net")).createServer().listen(0, "127.0.0.1");';
  assert.equal(await program(t.signal, `${caught} ${listening}`), "there are sockets: virtual time cannot pass\n");
});

/** What a program prints in virtual time, after what `before` did in real time. */
async function program(
  signal: AbortSignal,
  ...parts: [body: string] | [before: string, body: string]
): Promise<string> {
  const [before, body] = parts.length === 1 ? ["", parts[0]] : parts;
  const kit = JSON.stringify(new URL("virtual-time.js", import.meta.url).href);
  const code = `${before}\n(await import(${kit})).useVirtualTime();\n${body}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    signal,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await once(child, "close");
  return output;
}
