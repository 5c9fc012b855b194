import assert from "node:assert/strict";
import { createServer } from "node:net";
import test from "node:test";
import { startChild } from "../../src/test-kit/child.js";
import { freePorts } from "./server-process.js";

const hundredOf = (port: number): number => Math.floor(port / 100);

test("ports: a process never gets those of a hundred that another one has claimed, whether they are in use or not", async (t) => {
  const [ours = 0] = await freePorts(1);
  // a process whose first choice is our hundred, whatever its id is
  const program = `
    Object.defineProperty(process, "pid", { value: ${String(hundredOf(ours) - 100)} });
    const { freePorts } = await import(${JSON.stringify(new URL("server-process.js", import.meta.url).href)});
    console.log(JSON.stringify(await freePorts(150)));`;
  const child = startChild(t, "eval-program.js", [], { nodeArgs: ["--input-type=module", "--eval", program] });
  const { status, stdout, stderr } = await child.ended;
  assert.equal(status, 0, stderr);
  const theirs = JSON.parse(stdout) as readonly number[];
  assert.equal(new Set(theirs).size, 150);
  assert.ok(theirs.every((port) => hundredOf(port) !== hundredOf(ours) && port < 32_768));
});

test("ports: one that is in use is left out, and none comes twice", async () => {
  const [last = 0] = await freePorts(1);
  const server = createServer().listen(last + 1, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const ports = await freePorts(2);
  server.close();
  assert.deepEqual(ports, [last + 2, last + 3]);
});
