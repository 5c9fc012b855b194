import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import test from "node:test";
import { SharedLinks } from "./shared-links.js";

test("shared links: all calls with one signal share one listener on it, which is removed with the last of them", () => {
  const [end, parent] = [new AbortController(), new AbortController()];
  const links = new SharedLinks(end.signal);
  const taken = Array.from({ length: 20 }, () => links.take(parent.signal));
  assert.equal(new Set(taken.map(({ signal }) => signal)).size, 1);
  assert.deepEqual(
    [parent, end].map(({ signal }) => getEventListeners(signal, "abort").length),
    [1, 1],
  );
  for (const link of taken.slice(1)) link.release();
  assert.equal(getEventListeners(parent.signal, "abort").length, 1);
  taken[0]?.release();
  assert.deepEqual(
    [parent, end].map(({ signal }) => getEventListeners(signal, "abort").length),
    [0, 0],
  );
});

test("shared links: a released link follows again when it is taken again", () => {
  const [end, parent] = [new AbortController(), new AbortController()];
  const links = new SharedLinks(end.signal);
  links.take(parent.signal).release();
  const link = links.take(parent.signal);
  parent.abort(new Error("over"));
  assert.equal(link.signal.reason, parent.signal.reason);
  link.release();
  assert.equal(getEventListeners(end.signal, "abort").length, 0);
});

test("shared links: a released link does not follow", () => {
  const [end, parent] = [new AbortController(), new AbortController()];
  const link = new SharedLinks(end.signal).take(parent.signal);
  link.release();
  parent.abort();
  end.abort();
  assert.equal(link.signal.aborted, false);
});

test("shared links: the end of all calls aborts each link; other signals have other links", () => {
  const [end, one, other] = [new AbortController(), new AbortController(), new AbortController()];
  const links = new SharedLinks(end.signal);
  const [a, b] = [links.take(one.signal), links.take(other.signal)];
  one.abort(new Error("one"));
  assert.deepEqual([a.signal.aborted, b.signal.aborted], [true, false]);
  end.abort(new Error("end"));
  assert.equal(b.signal.reason, end.signal.reason);
  assert.equal(a.signal.reason, one.signal.reason);
});

test("shared links: without a parent the signal is the end's own, and releasing it changes nothing", () => {
  const end = new AbortController();
  const links = new SharedLinks(end.signal);
  const taken = links.take(undefined);
  assert.equal(taken.signal, end.signal);
  taken.release();
  assert.equal(links.take(undefined).signal, end.signal);
  assert.equal(getEventListeners(end.signal, "abort").length, 0);
});
