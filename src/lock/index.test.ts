import assert from "node:assert/strict";
import { test } from "node:test";
import * as lock from "./index.js";

test("etcd2/lock exports these names, and no others", () => {
  assert.deepEqual(Object.keys(lock).sort(), ["ElectionError", "createLocks"]);
});
