import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../core/index.js";
import * as lock from "./index.js";

test("lock: exports exactly these names", () => {
  assert.deepEqual(Object.keys(lock).sort(), ["ElectionError", "createLocks"]);
});

test("locks: a message names the argument or the option that is wrong", async () => {
  await using client = new Client({ endpoints: ["http://127.0.0.1:1"] });
  const locks = lock.createLocks({ client });
  const isAbout = (message: RegExp): object => ({ name: "UsageError", code: "ERR_ARGUMENT", message });
  for (const method of ["acquire", "tryAcquire"] as const) {
    await assert.rejects(locks[method](undefined as never), isAbout(/^key must be a string/));
    await assert.rejects(locks[method]("/"), isAbout(/^key must not be empty/));
    await assert.rejects(locks[method]("a", { ttlMs: 0 }), isAbout(/^options\.ttlMs must be/));
    await assert.rejects(locks[method]("a", { ttlMs: 2_000, marginMs: 1_500 }), isAbout(/^options\.marginMs must be/));
  }
  assert.throws(() => locks.semaphore("", { limit: 2 }), isAbout(/^key must not be empty/));
  assert.throws(() => lock.createLocks({ client: {} as never }), isAbout(/^options\.client must be a Client/));
});
