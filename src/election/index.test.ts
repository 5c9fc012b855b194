import assert from "node:assert/strict";
import { test } from "node:test";
import * as election from "./index.js";

test("etcd2/election exports these names, and no others", () => {
  assert.deepEqual(Object.keys(election).sort(), [
    "ElectionError",
    "createCandidate",
    "createEtcdCandidate",
    "observe",
    "requestMs",
    "resolveLeadership",
  ]);
});
