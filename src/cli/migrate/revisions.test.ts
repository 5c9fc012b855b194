import assert from "node:assert/strict";
import test from "node:test";
import { Random } from "../../test-kit/random.js";
import { Revisions } from "./revisions.js";

test("migrate: revisions that follow each other are one range", () => {
  const revisions = new Revisions();
  for (const each of [5, 7, 6, 6, 1, 3, 2, 100, 4]) revisions.add(each);
  assert.deepEqual(revisions.ranges, [
    [1, 7],
    [100, 100],
  ]);
  assert.equal(revisions.size, 2);
  assert.deepEqual(
    [0, 1, 4, 7, 8, 99, 100, 101].map((each) => revisions.has(each)),
    [false, true, true, true, false, false, true, false],
  );
  assert.deepEqual(new Revisions(revisions.ranges).ranges, revisions.ranges);
});

test("migrate: a set of revisions is the same as a plain set, in whatever order they come", () => {
  const random = new Random(82);
  for (let round = 0; round < 50; round++) {
    const [revisions, plain] = [new Revisions(), new Set<number>()];
    for (let i = 0; i < 200; i++) {
      const each = random.whole(1, 150);
      revisions.add(each);
      plain.add(each);
    }
    for (let each = 0; each <= 151; each++) assert.equal(revisions.has(each), plain.has(each), String(each));
    const flat = revisions.ranges.flat();
    assert.deepEqual(
      flat,
      [...flat].sort((a, b) => a - b),
    );
  }
});
