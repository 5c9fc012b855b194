import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { BadUsage } from "../io.js";
import { lockState } from "./lock.js";
import { State, type Scope } from "./state.js";

const folder = mkdtempSync(join(tmpdir(), "etcd2-state-"));
after(() => {
  rmSync(folder, { recursive: true, force: true });
});
let count = 0;
const fresh = (): string => join(folder, `${String(++count)}.json`);
const scope: Scope = { from: "a", to: "b", prefix: "/", namespace: "", directories: "kept", also: [] };

test("migrate: a key is ours until another writer changes it", () => {
  const file = fresh();
  const state = State.open(file, scope, 40);
  const values = new Map([["/a", "secret"]]);
  state.begin(values);
  // its response was never seen
  const again = State.open(file, scope, 99);
  assert.equal(again.firstRevision, 40, "what v3 had before the first run");
  assert.ok(!again.isNew && again.isDoubtful("/a"));
  assert.ok(!again.isOurs("/a", 41, "theirs"));
  assert.ok(!again.isOurs("/b", 41, "secret"));
  assert.ok(again.isOurs("/a", 41, "secret"));
  assert.ok(again.isOurs("/a", 41), "known from then on");
  again.commit(values, 50);
  again.save();
  const last = State.open(file, scope, 99);
  assert.ok(last.isOurs("/a", 50) && !last.isDoubtful("/a"));
  assert.ok(!last.isOurs("/a", 51, "secret"), "the same value, written by another client");
  assert.doesNotMatch(readFileSync(file, "utf8"), /secret/, "no value is in the file");
});

test("migrate: a state file of another migration, or another file, is refused", () => {
  const file = fresh();
  State.open(file, scope, 1).save();
  for (const other of [{ from: "x" }, { to: "x" }, { prefix: "/x" }, { also: ["/_x"] }, { directories: "implied" }])
    assert.throws(() => State.open(file, { ...scope, ...other }, 1), BadUsage);
  for (const text of ["", "null", "[]", "{}", '{"format":2}']) {
    writeFileSync(file, text);
    assert.throws(() => State.open(file, scope, 1), /is not the state of a migration/, text);
  }
  assert.throws(() => State.open(folder, scope, 1), BadUsage);
});

test("migrate: a state file is locked by one process, and the lock of a dead one does not count", () => {
  const file = fresh();
  lockState(file)();
  assert.ok(!existsSync(`${file}.lock`));
  // the parent runs
  writeFileSync(`${file}.lock`, String(process.ppid));
  assert.throws(() => lockState(file), /another etcd2 migrate works with/);
  for (const dead of ["999999999", String(process.pid), "nonsense", ""]) {
    writeFileSync(`${file}.lock`, dead);
    lockState(file)();
  }
});
