import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { EtcdError, KeysAPI, UsageError, type KeysResponse } from "../src/core/index.js";
import { patience } from "../src/test-kit/waiting.js";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("properties");

/** Limits the search for a smaller counterexample, in which every try may run into its timeout. */
const limits = { interruptAfterTimeLimit: 60_000, markInterruptAsFailure: true };

/** Longest key in encoded form: etcd accepts a request line of 4096 bytes. */
const maxEncoded = 3_072;

/** Characters that have a meaning in some layer, and any other that UTF-8 can encode. */
const letter = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...Array.from("?#%\\ +&=;:@!$'()*,|^[]{}<>\"`~._-")) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "%2F",
      "%25",
      "%00",
      "..",
      "/",
      "//",
      "😀",
      "é",
      "e\u0301",
      "\0",
      "\n",
      "\r\n",
      "\t",
      "\u2028",
      "\ufeff",
      "\uffff",
    ),
  },
  { weight: 2, arbitrary: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 1 }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }) },
);

const key = fc
  .oneof(
    { weight: 4, arbitrary: fc.string({ unit: letter, minLength: 1, maxLength: 40 }) },
    { weight: 1, arbitrary: fc.string({ unit: letter, minLength: 1, maxLength: 40 }).map((text) => `_${text}`) },
    { weight: 1, arbitrary: fc.string({ unit: letter, minLength: 100, maxLength: 700 }) },
    {
      weight: 1,
      arbitrary: fc.string({
        unit: fc.constantFrom(...Array.from("abc-_.~/")),
        minLength: 1_000,
        maxLength: maxEncoded,
      }),
    },
  )
  .filter(
    (text) =>
      encodeURIComponent(text).length <= maxEncoded &&
      segments(text).length > 0 &&
      !segments(text).some((segment) => segment === "." || segment === ".."),
  );

const value = fc.oneof(
  { weight: 5, arbitrary: fc.string({ unit: letter, maxLength: 60 }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 3_000 }) },
  { weight: 1, arbitrary: fc.constantFrom("", "\0", "\ufeff", "null", "%", "a=b&c=d", "\r\n\r\n") },
);

test("properties: any key that the SDK accepts, and any value, are read back identical (A129)", async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(key, value, async (name, text) => {
      const { keys, dir } = cluster;
      // a separate directory, so that no key is the directory of another one
      const at = `${dir}/${String(run++)}`;
      const expected = { key: `${at}/${segments(name).join("/")}`, value: text };

      const { node: written } = await keys.set(`${at}/${name}`, text);
      assert.deepEqual({ key: written.key, value: written.value }, expected);
      const { node: read } = await keys.get(`${at}/${name}`);
      assert.deepEqual({ key: read.key, value: read.value }, expected);
      if (text !== "") {
        const { node: swapped } = await keys.set(`${at}/${name}`, `${text}+`, { prevValue: text });
        assert.deepEqual({ key: swapped.key, value: swapped.value }, { ...expected, value: `${text}+` });
      }
      const { node: watched } = await keys
        .watcher(`${at}/${name}`, { afterIndex: read.modifiedIndex - 1 })
        .next(patience());
      assert.deepEqual({ key: watched.key, value: watched.value }, expected);
      const { node: deleted } = await keys.delete(`${at}/${name}`);
      assert.equal(deleted.key, expected.key);
    }),
    { numRuns: 150, ...limits },
  );
});

test("properties: a lone surrogate in a key or value is refused before any I/O", async () => {
  const keys = new KeysAPI({ send: () => Promise.reject(new Error("this was sent")) });
  const halves = fc.tuple(
    fc.string({ unit: "binary" }),
    fc.integer({ min: 0xd800, max: 0xdfff }),
    fc.string({ unit: "grapheme-ascii" }),
  );
  const refused = (call: Promise<unknown>): Promise<void> =>
    assert.rejects(call, (error) => error instanceof UsageError && error.code === "ERR_ARGUMENT");
  await fc.assert(
    fc.asyncProperty(
      halves.map(([before, half, behind]) => before + String.fromCharCode(half) + behind),
      async (text) => {
        await refused(keys.set(text, "v"));
        await refused(keys.get(text));
        await refused(keys.delete(text));
        await refused(keys.set("/k", text));
        await refused(keys.create("/k", text));
        await refused(keys.createInOrder("/k", text));
        await refused(keys.set("/k", "v", { prevValue: text }));
        await refused(keys.delete("/k", { prevValue: text }));
        assert.throws(() => keys.watcher(text), UsageError);
      },
    ),
  );
});

type Write = (keys: KeysAPI, dir: string, last: KeysResponse) => Promise<KeysResponse>;

const file = fc.constantFrom("a", "b", "d/a", "d/e/a");
const folder = fc.constantFrom("d", "d/e");
const named = <T>(
  name: string,
  of: fc.Arbitrary<T>,
  write: (picked: T) => Write,
): fc.Arbitrary<{ name: string; write: Write }> =>
  of.map((picked) => ({
    name: `${name} ${JSON.stringify(picked)}`,
    write: write(picked),
    [fc.toStringMethod]: () => `${name} ${JSON.stringify(picked)}`,
  }));

/**
 * Each write may be refused, and must then cause no event. There is no refresh: it would be acknowledged without an
 * event.
 */
const write = fc.oneof(
  named(
    "set",
    fc.tuple(file, fc.string()),
    ([at, text]) =>
      (keys, dir) =>
        keys.set(`${dir}/${at}`, text),
  ),
  named(
    "create",
    fc.tuple(file, fc.string()),
    ([at, text]) =>
      (keys, dir) =>
        keys.create(`${dir}/${at}`, text),
  ),
  named(
    "update",
    fc.tuple(file, fc.string()),
    ([at, text]) =>
      (keys, dir) =>
        keys.update(`${dir}/${at}`, text),
  ),
  named(
    "swap",
    fc.string(),
    (text) =>
      (keys, _dir, { node }) =>
        keys.set(node.key, text, { prevIndex: node.modifiedIndex }),
  ),
  named("createInOrder", folder, (at) => (keys, dir) => keys.createInOrder(`${dir}/${at}`, "")),
  named("make directory", folder, (at) => (keys, dir) => keys.set(`${dir}/${at}`, "", { dir: true })),
  named("delete", file, (at) => (keys, dir) => keys.delete(`${dir}/${at}`)),
  named(
    "delete if",
    fc.constant(""),
    () =>
      (keys, _dir, { node }) =>
        keys.delete(node.key, { prevIndex: node.modifiedIndex }),
  ),
  named("delete all", folder, (at) => (keys, dir) => keys.delete(`${dir}/${at}`, { recursive: true })),
);

test("properties: a recursive watcher delivers every acknowledged write once, in order, and nothing else", async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 30 }), async (writes) => {
      const { keys } = cluster;
      const dir = `${cluster.dir}/watched-${String(run++)}`;
      const acknowledged = [await keys.set(`${dir}/start`, "")];
      const watching = seenUntil(
        `${dir}/end`,
        keys
          .watcher(dir, { afterIndex: Number(acknowledged[0]?.node.modifiedIndex) - 1, recursive: true })
          .events(patience()),
      );
      for (const { write } of writes) {
        const last = acknowledged.at(-1);
        assert.ok(last !== undefined);
        try {
          acknowledged.push(await write(keys, dir, last));
        } catch (error) {
          assert.ok(error instanceof EtcdError, String(error));
        }
        await keys.set(`${dir}-elsewhere`, "");
      }
      acknowledged.push(await keys.set(`${dir}/end`, ""));
      assert.deepEqual(await watching, acknowledged.map(told));
    }),
    { numRuns: 40, ...limits },
  );
});

/** Reads events up to that of the last key, or far too many. */
async function seenUntil(
  lastKey: string,
  events: AsyncIterable<KeysResponse>,
): Promise<readonly (readonly unknown[])[]> {
  const seen = [];
  for await (const event of events) {
    seen.push(told(event));
    if (event.node.key === lastKey || seen.length > 100) break;
  }
  return seen;
}

function told({ action, node, prevNode }: KeysResponse): readonly unknown[] {
  return [action, node.key, node.value, node.modifiedIndex, prevNode?.value];
}

/** A key with normalized slashes. */
function segments(text: string): readonly string[] {
  return text.split("/").filter((segment) => segment !== "");
}
