import assert from "node:assert/strict";
import test from "node:test";
import { ClusterView } from "./cluster-view.js";

const header = (revision: number, clusterId = "c") => ({ revision, clusterId });

test("cluster view: it keeps the highest index of each cluster, whatever order responses come in", () => {
  const view = new ClusterView();
  assert.equal(view.indexOf("c"), 0);
  view.see(header(7));
  view.see(header(5));
  view.see(header(900, "stranger"));
  assert.deepEqual([view.indexOf("c"), view.indexOf("stranger")], [7, 900]);
});

test("cluster view: a current response below what was known when it was sent shows that the store started over (FF2)", () => {
  const view = new ClusterView();
  view.see(header(100));
  const lagging = header(60);
  view.see(lagging);
  assert.equal(view.indexOf("c"), 100, "a member that lags proves nothing");
  const [first, second] = [view.expectCurrent(), view.expectCurrent()];
  first(header(9));
  assert.equal(view.indexOf("c"), 9);
  second(header(8));
  assert.equal(view.indexOf("c"), 9, "the responses of concurrent requests may overtake each other");
  view.expectCurrent()(header(12));
  assert.equal(view.indexOf("c"), 12);
});

test("cluster view: a response that arrives after a later one does not mean that the store started over", () => {
  const view = new ClusterView();
  view.see(header(10));
  const slow = view.expectCurrent();
  view.see(header(20));
  slow(header(15));
  assert.equal(view.indexOf("c"), 20);
});

test("cluster view: it remembers a few clusters, and forgets the one that was met first", () => {
  const view = new ClusterView();
  for (let i = 1; i <= 9; i++) view.see(header(i, `c${String(i)}`));
  assert.deepEqual([view.indexOf("c1"), view.indexOf("c2"), view.indexOf("c9")], [0, 2, 9]);
});
