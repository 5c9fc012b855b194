import assert from "node:assert/strict";
import test from "node:test";
import * as v from "valibot";
import { z } from "zod";
import { decoded, DecodeError, encoded } from "./codec.js";
import { jsonCodec } from "./json-codec.js";
import { UsageError } from "../util/errors.js";
import type { KeyNode } from "./types.js";

const secret = "s3cr3t";

function stored(value: string): KeyNode {
  return { key: "/a", value, dir: false, nodes: [], createdIndex: 7, modifiedIndex: 7 };
}

const schemas = [
  ["zod", z.object({ name: z.string(), sizes: z.array(z.number()).default([]) })],
  ["valibot", v.object({ name: v.string(), sizes: v.optional(v.array(v.number()), []) })],
] as const;

for (const [library, schema] of schemas) {
  const codec = jsonCodec<{ name: string; sizes: number[] }>(schema);

  test(`jsonCodec: a schema of ${library} reads values, with its defaults`, async () => {
    assert.deepEqual(await decoded(codec, stored('{"name":"a"}')), { name: "a", sizes: [] });
    assert.equal(await encoded(codec, { name: "a", sizes: [1] }), '{"name":"a","sizes":[1]}');
  });

  test(`jsonCodec: a value that a schema of ${library} refuses is an error with key, index and field, without the value`, async () => {
    await assert.rejects(decoded(codec, stored(`{"name":"a","sizes":[1,"${secret}"]}`)), (error) => {
      assert.ok(error instanceof DecodeError);
      assert.deepEqual([error.code, error.key, error.index], ["ERR_DECODE", "/a", 7]);
      assert.match(error.message, /"\/a" at index 7 .* does not match the schema at "sizes\.1"$/);
      assert.ok(!JSON.stringify([error, error.stack, error.cause]).includes(secret));
      return true;
    });
  });

  test(`jsonCodec: a value that a schema of ${library} would not read back is not written`, async () => {
    const bad = { name: secret, sizes: [Number.NaN] };
    await assert.rejects(encoded(codec, bad), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /does not match the schema at "sizes\.0"$/);
      assert.ok(!error.message.includes(secret));
      return true;
    });
  });
}

test("jsonCodec: a schema may be asynchronous, and may return a type that JSON does not have", async () => {
  const codec = jsonCodec(z.object({ at: z.coerce.date() }).refine(() => Promise.resolve(true)));
  const at = new Date("2026-01-02T03:04:05Z");
  assert.equal(await encoded(codec, { at }), '{"at":"2026-01-02T03:04:05.000Z"}');
  assert.deepEqual(await decoded(codec, stored('{"at":"2026-01-02T03:04:05.000Z"}')), { at });
});

test("jsonCodec: without a schema every JSON value passes; text that is not JSON is never quoted", async () => {
  const codec = jsonCodec();
  for (const value of [null, 0, "", [], { a: [{}] }]) {
    assert.deepEqual(await decoded(codec, stored(await encoded(codec, value))), value);
  }
  for (const text of ["", secret, `{"a": ${secret}`]) {
    await assert.rejects(decoded(codec, stored(text)), (error) => {
      assert.ok(error instanceof DecodeError);
      assert.match(error.message, /it is not JSON$/);
      assert.ok(!JSON.stringify([error, error.stack]).includes(secret));
      return true;
    });
  }
});

test("jsonCodec: a value that JSON cannot represent is refused", async () => {
  const loop: unknown[] = [];
  loop.push(loop);
  for (const value of [undefined, () => 1, 1n, loop]) {
    await assert.rejects(encoded(jsonCodec(), value), UsageError);
  }
});

test("codec: if a codec throws, only the error's name is shown, not its message", async () => {
  const codec = {
    encode: (value: string): string => {
      throw new RangeError(value);
    },
    decode: (text: string): Promise<string> => Promise.reject(new RangeError(text)),
  };
  await assert.rejects(decoded(codec, stored(secret)), (error) => {
    assert.ok(error instanceof DecodeError);
    assert.match(error.message, /the codec threw RangeError$/);
    return true;
  });
  await assert.rejects(encoded(codec, secret), { code: "ERR_ARGUMENT", message: /the codec threw RangeError$/ });
  const numbers = { encode: (): string => 5 as unknown as string, decode: (text: string): string => text };
  await assert.rejects(encoded(numbers, "a"), { code: "ERR_ARGUMENT", message: /must be a string/ });
});

test("jsonCodec: a value that is not a Standard Schema is refused at once", () => {
  assert.throws(() => jsonCodec({} as never), { code: "ERR_ARGUMENT", message: /Standard Schema/ });
  assert.throws(() => jsonCodec(null as never), { code: "ERR_ARGUMENT", message: /Standard Schema/ });
});
