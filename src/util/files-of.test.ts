import assert from "node:assert/strict";
import test from "node:test";
import { filesOf, type TreeNode } from "./files-of.js";

interface Node extends TreeNode<Node> {
  readonly name: string;
}

const file = (name: string): Node => ({ name, dir: false, nodes: [] });
const dir = (...nodes: readonly Node[]): Node => ({ name: "", dir: true, nodes });
const names = (node: Node): readonly string[] => filesOf(node).map(({ name }) => name);

test("filesOf: the files of a tree, in the order of the listing", () => {
  assert.deepEqual(names(dir(file("a"), dir(file("b"), dir(), dir(file("c"))), file("d"))), ["a", "b", "c", "d"]);
  assert.deepEqual(names(file("a")), ["a"]);
  assert.deepEqual(names(dir()), []);
});

test("filesOf: a tree may be deep and wide (FF41)", () => {
  let deep = file("bottom");
  for (let level = 0; level < 100_000; level++) deep = dir(deep);
  assert.deepEqual(names(deep), ["bottom"]);
});
