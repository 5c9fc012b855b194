import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import test from "node:test";
import v8 from "node:v8";
import vm from "node:vm";
import { TickRecord } from "./tick-record.js";

v8.setFlagsFromString("--expose-gc");
v8.setFlagsFromString("--allow-natives-syntax");
const collect = vm.runInNewContext("gc") as () => void;
const haveSameMap = vm.runInThisContext("(a, b) => %HaveSameMap(a, b)") as (a: object, b: object) => boolean;

const nextTurn = (): Promise<void> => new Promise(setImmediate);

test("tick record: it is one of Node's own, and later ones have its layout after collections that found no other", async () => {
  const first = new TickRecord();
  for (let i = 0; i < 5; i++) {
    await nextTurn();
    collect();
  }
  const later = new TickRecord();
  await nextTurn();
  assert.ok(first.record !== undefined && later.record !== undefined && first.record !== later.record);
  assert.ok(haveSameMap(first.record, later.record));
});

test("tick record: it does not hold the async context of the call that made it", async () => {
  const make = (): readonly [WeakRef<object>, TickRecord] => {
    const context = { user: "one" };
    return [new WeakRef(context), new AsyncLocalStorage<object>().run(context, () => new TickRecord())];
  };
  const [context, made] = make();
  for (let i = 0; i < 20 && context.deref() !== undefined; i++) {
    await nextTurn();
    collect();
  }
  assert.equal(context.deref(), undefined);
  assert.ok(made.record !== undefined);
});
