import assert from "node:assert/strict";
import test from "node:test";
import { EtcdError, isKeyNotFound } from "../core/index.js";
import { base64 } from "./layout.js";
import { headerAt, scriptedGateway } from "./test-kit/scripted-gateway.js";

const empty = { response_range: {} };

test("reads: a directory that is made while its absence is looked into is missing at the index of the first look", async () => {
  let looks = 0;
  const { keys } = scriptedGateway(() => {
    if (looks++ === 0) return { header: headerAt(10), succeeded: true, responses: [empty, empty] };
    const child = { key: base64("/d/x"), create_revision: "12", mod_revision: "12", version: "1" };
    return { header: headerAt(12), succeeded: true, responses: [empty, { response_range: { kvs: [child] } }] };
  });
  const error: unknown = await keys.get("/d").catch((reason: unknown) => reason);
  assert.ok(isKeyNotFound(error) && error instanceof EtcdError);
  assert.equal(error.index, 10, "a watcher from there is told of the event at 12");
});

test("reads: what is missing both times is missing at the index of the second look", async () => {
  let looks = 0;
  const { keys } = scriptedGateway(() => {
    return { header: headerAt(++looks === 1 ? 10 : 12), succeeded: true, responses: [empty, empty] };
  });
  const error: unknown = await keys.get("/d").catch((reason: unknown) => reason);
  assert.ok(isKeyNotFound(error) && error instanceof EtcdError);
  assert.deepEqual([error.index, error.serverCause], [12, "/d"]);
});

test("reads: a listing whose revision is compacted between two pages begins anew, three times at most (V121)", async () => {
  for (const format of ["old", "new"] as const) {
    for (const [compactions, isListed] of [
      [2, true],
      [3, false],
    ] as const) {
      let revision = 0;
      let refused = 0;
      const { keys } = scriptedGateway(
        ({ body }) => {
          const [op] = body["success"] as readonly [{ readonly request_range: { readonly revision?: string } }];
          const isFurther = op.request_range.revision !== undefined;
          if (isFurther && refused++ < compactions)
            return { refusal: 11, words: "mvcc: required revision has been compacted" };
          const name = isFurther ? "b" : "a";
          revision += isFurther ? 0 : 100;
          const file = {
            key: base64(`/d/${name}`),
            value: base64(String(revision)),
            create_revision: "2",
            mod_revision: "3",
          };
          const page = { response_range: { kvs: [file], ...(!isFurther && { more: true, count: "2" }) } };
          return { header: headerAt(revision), succeeded: true, responses: isFurther ? [page] : [empty, page] };
        },
        { format },
      );
      if (isListed) {
        const { node, index } = await keys.get("/d");
        assert.deepEqual(
          node.nodes.map((each) => [each.key, each.value]),
          [
            ["/d/a", "300"],
            ["/d/b", "300"],
          ],
        );
        assert.equal(index, 300);
      } else {
        await assert.rejects(keys.get("/d"), /compacted/);
      }
    }
  }
});
