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

test("agent 28: events lead from state to state", () => {
  const diff = new Diff();
  assert.deepEqual(
    states.map((state) => told(diff.apply(state))),
    ["", "add alpha", "add beta", "delete alpha", "delete beta"],
  );
});

test("agent 29: with emitUnchanged, what is as before is an update", () => {
  const diff = new Diff({ emitUnchanged: true });
  assert.deepEqual(
    states.map((state) => told(diff.apply(state))),
    ["", "add alpha", "update alpha, add beta", "update beta, delete alpha", "delete beta"],
  );
});

test("agent 30: an update carries the new instance, a delete the last one", () => {
  const diff = new Diff();
  diff.apply([alpha]);
  const moved = instance("alpha", { port: 2 });
  assert.deepEqual(diff.apply([moved]), [{ op: "update", instance: moved }]);
  assert.deepEqual(diff.apply([]), [{ op: "delete", instance: moved }]);
});

test("agent 31: the order of tags means nothing, every other difference does", () => {
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

test("agent 32: of one id twice in a state the last counts", () => {
  const last = instance("alpha", { port: 2 });
  assert.deepEqual(new Diff().apply([alpha, beta, last]), [
    { op: "add", instance: last },
    { op: "add", instance: beta },
  ]);
});

test("agent 33: deletes come in the order of first appearance", () => {
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

test("a bad option is refused", () => {
  assert.throws(() => new Diff({ emitunchanged: true } as object), { code: "ERR_ARGUMENT" });
});
