import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { service, showService } from "./test-kit/config-objects.js";
import { Union } from "./union.js";

const name = fc.oneof(
  fc.constantFrom("a", "b", "ab", "B", "\uFF5E", "\u{1F600}"),
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 3 }).filter((text) => !/[:/]/.test(text)),
);
const update = fc.record({
  source: fc.constantFrom("one", "two"),
  op: fc.constantFrom("set" as const, "add" as const, "remove" as const),
  items: fc.array(fc.tuple(fc.constantFrom("", "x/", "y/"), name, fc.nat(9)), { maxLength: 5 }),
});

test("union: it equals one map per source, ordered by source and by the bytes of keys", () => {
  fc.assert(
    fc.property(fc.array(update, { maxLength: 20 }), (updates) => {
      const union = new Union<ReturnType<typeof service>>();
      const model = new Map<string, Map<string, string>>();
      for (const { source, op, items } of updates) {
        const services = items.map(([namespace, each, port]) => service(`${namespace}${each}:${String(port)}`));
        union.merge(source, op, services);
        const state = model.get(source) ?? new Map<string, string>();
        model.set(source, state);
        if (op === "set") state.clear();
        for (const each of services) {
          const key = `${each.metadata.namespace}/${each.metadata.name}`;
          if (op === "remove") state.delete(key);
          else state.set(key, showService(each));
        }
      }
      const expected = [...model.values()].flatMap((state) =>
        [...state].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map(([, shown]) => shown),
      );
      assert.deepEqual(union.items().map(showService), expected);
    }),
  );
});
