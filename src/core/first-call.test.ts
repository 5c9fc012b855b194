import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { startChild } from "../test-kit/child.js";

/** What a program prints in which nothing is loaded yet. */
async function printed(t: TestContext, program: string): Promise<unknown> {
  const { stdout, stderr } = await startChild(t, "first-call-programs.js", [program], { descriptors: 64 }).ended;
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

test("first call: what the caller changes in its arguments while the call is loaded does not count (FF39)", async (t) => {
  assert.deepEqual(await printed(t, "changed"), [
    "DELETE /v2/keys/k?prevIndex=5",
    "GET /v2/keys/k?quorum=false&recursive=true&sorted=false",
    "GET /v2/stats/self",
    'PUT /v2/auth/users/u {"user":"u","roles":null,"grant":["a"]}',
    "PUT /v2/keys/k?prevIndex=5 value=v",
    'PUT /v2/members/a1 {"peerURLs":["http://a:2380"]}',
  ]);
});

test("first call: every call waits for a file descriptor within retryForMs, ready and autoSync without limit (FF39)", async (t) => {
  assert.deepEqual(await printed(t, "waiting"), [
    "done",
    "done",
    "done",
    "done",
    "aborted",
    "done",
    "ERR_CLUSTER_UNAVAILABLE",
    "done",
  ]);
});

test("first call: a call that waits for a file descriptor ends at once when aborted, or when the client is closed (FF39)", async (t) => {
  assert.deepEqual(await printed(t, "closing"), ["aborted", "ERR_CLOSED", "ERR_CLOSED", "ERR_CLOSED"]);
});
