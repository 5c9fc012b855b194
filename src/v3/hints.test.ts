import assert from "node:assert/strict";
import test from "node:test";
import { Hints } from "./hints.js";

test("hints: of too many keys those that were set longest ago are forgotten", () => {
  const { shapes } = new Hints();
  for (let i = 0; i < 1_000; i++) shapes.set(`/${String(i)}`, "directory");
  assert.equal(shapes.get("/0"), "directory");
  shapes.set("/0", "crowded");
  shapes.set("/new", "directory");
  assert.deepEqual([shapes.get("/0"), shapes.get("/1"), shapes.get("/2")], ["crowded", undefined, "directory"]);
  shapes.delete("/new");
  assert.equal(shapes.get("/new"), undefined);
});
