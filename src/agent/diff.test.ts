import assert from "node:assert/strict";
import test from "node:test";
import type { InstanceEvent } from "./agent.js";
import { Diff } from "./diff.js";
import { createInstance, type Instance, type InstanceData } from "./instance.js";

function instance(id: string, fields: Partial<InstanceData> = {}, local = false): Instance {
  return createInstance({ id, name: "s", host: "h", port: 1, tags: [], ...fields }, local);
}

function told(events: readonly InstanceEvent[]): string {
  return events.map(({ op, instance: { id } }) => `${op} ${id}`).join(", ");
}

const [alpha, beta] = [instance("alpha"), instance("beta")];
const states = [[], [alpha], [alpha, beta], [beta], []];

test("diff: its events lead from each state to the next (agent 28)", () => {
  const diff = new Diff();
  assert.deepEqual(
    states.map((state) => told(diff.apply(state))),
    ["", "add alpha", "add beta", "delete alpha", "delete beta"],
  );
});

test("diff: with emitUnchanged, an unchanged instance is an update (agent 29)", () => {
  const diff = new Diff({ emitUnchanged: true });
  assert.deepEqual(
    states.map((state) => told(diff.apply(state))),
    ["", "add alpha", "update alpha, add beta", "update beta, delete alpha", "delete beta"],
  );
});

test("diff: an update carries the new instance, a delete the last known one (agent 30)", () => {
  const diff = new Diff();
  diff.apply([alpha]);
  const moved = instance("alpha", { port: 2 });
  assert.deepEqual(diff.apply([moved]), [{ op: "update", instance: moved }]);
  assert.deepEqual(diff.apply([]), [{ op: "delete", instance: moved }]);
});

test("diff: the order of tags means nothing, every other difference is an update (agent 31)", () => {
  const diff = new Diff();
  diff.apply([instance("x", { tags: ["a", "b"], meta: { k: "v" } })]);
  assert.deepEqual(diff.apply([instance("x", { tags: ["b", "a"], meta: { k: "v" } })]), []);
  const others = [
    instance("x", { tags: ["a"], meta: { k: "v" } }),
    instance("x", { tags: ["a", "c"], meta: { k: "v" } }),
    instance("x", { tags: ["a", "c"], meta: { k: "w" } }),
    instance("x", { tags: ["a", "c"], meta: { l: "w" } }),
    instance("x", { tags: ["a", "c"] }),
    instance("x", { tags: ["a", "c"] }, true),
    instance("x", { tags: ["a", "c"], host: "i" }, true),
    instance("x", { tags: ["a", "c"], host: "i", name: "t" }, true),
  ];
  for (const other of others) assert.deepEqual(diff.apply([other]), [{ op: "update", instance: other }]);
  assert.deepEqual(diff.apply([instance("x", { tags: ["a", "c"], host: "i", name: "t", meta: {} }, true)]), []);
});

test("diff: the last of two instances with one id counts (agent 32)", () => {
  const last = instance("alpha", { port: 2 });
  assert.deepEqual(new Diff().apply([alpha, beta, last]), [
    { op: "add", instance: last },
    { op: "add", instance: beta },
  ]);
});

test("diff: deletions come in the order of first appearance (agent 33)", () => {
  const diff = new Diff();
  diff.apply(["c", "a", "b"].map((id) => instance(id)));
  diff.apply(["b", "a", "c", "d"].map((id) => instance(id, { port: 2 })));
  assert.deepEqual(
    diff.snapshot().map(({ id }) => id),
    ["c", "a", "b", "d"],
  );
  assert.equal(told(diff.apply([])), "delete c, delete a, delete b, delete d");
  assert.deepEqual(diff.snapshot(), []);
});

test("diff: an instance that is changed in place is one update, and its deletion carries what was reported (FF50)", () => {
  const diff = new Diff();
  const mutable = {
    id: "x",
    name: "s",
    host: "h",
    port: 1,
    tags: ["a"],
    meta: { k: "v" },
    local: false,
    addr: () => "h:1",
  };
  const [added] = diff.apply([mutable]);
  mutable.port = 2;
  mutable.tags.push("b");
  mutable.meta.k = "w";
  assert.deepEqual(added?.instance, instance("x", { tags: ["a"], meta: { k: "v" } }));
  assert.deepEqual(diff.snapshot(), [instance("x", { tags: ["a"], meta: { k: "v" } })]);
  const changed = instance("x", { port: 2, tags: ["a", "b"], meta: { k: "w" } });
  assert.deepEqual(diff.apply([mutable]), [{ op: "update", instance: changed }]);
  mutable.port = 3;
  assert.deepEqual(diff.apply([]), [{ op: "delete", instance: changed }]);
});

test("diff: a state that is not instances is refused, and changes nothing (FF48)", () => {
  const diff = new Diff();
  diff.apply([alpha]);
  for (const bad of [undefined, null, 5, [undefined], [beta, null], [{ id: "x" }], [{ ...beta, tags: "a" }]]) {
    assert.throws(() => diff.apply(bad as never), { name: "UsageError", code: "ERR_ARGUMENT" });
  }
  assert.deepEqual(diff.snapshot(), [alpha]);
});

test("diff: bad options are refused (FF48)", () => {
  for (const options of [{ emitunchanged: true }, { emitUnchanged: 1 }, null]) {
    assert.throws(() => new Diff(options as never), { name: "UsageError", code: "ERR_ARGUMENT" });
  }
  assert.throws(() => createInstance(undefined as never, true), { code: "ERR_ARGUMENT" });
  assert.throws(() => createInstance(alpha, undefined as never), { code: "ERR_ARGUMENT" });
});
