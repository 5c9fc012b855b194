import assert from "node:assert/strict";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { buildGo } from "../go-client.js";
import { blocksOf, publishedPages } from "../docs-pages.js";
import { clusterForTests } from "../support.js";
import { projectIn, run } from "./support.js";

const cluster = clusterForTests("moving-here");

const page = publishedPages().find(({ path }) => path === "docs/moving-here.md") ?? assert.fail();
const blocks = blocksOf(page);
const pairs = blocks.flatMap((before, i) => {
  const after = blocks[i + 1];
  return before.mark === "before" && after !== undefined ? [{ before, after }] : [];
});
const go = /^```go before\n([^]*?)^```$/m.exec(page.text);

test("moving here: there is a program of each other client, followed by one of ours", () => {
  const clients = pairs.map(({ before }) => /from "([\w-]+)"/.exec(before.code)?.[1]);
  assert.deepEqual(clients, ["node-etcd", "etcdjs", "etcd3"]);
  for (const { after } of pairs) assert.match(after.code, /from "etcd2"/);
  assert.notEqual(go, null);
});

for (const { before, after } of pairs)
  test(`moving here: the programs at lines ${String(before.line)} and ${String(after.line)} print the same`, async (t) => {
    const printed = await outputOf(t, before.code);
    assert.notEqual(printed, "");
    assert.equal(await outputOf(t, after.code), printed);
  });

test("moving here: the program in Go and the one after it print the same", async (t) => {
  const [text = "", code = ""] = go ?? [];
  const line = page.text.slice(0, page.text.indexOf(text)).split("\n").length;
  const after = blocks.find((block) => block.line > line) ?? assert.fail();
  const folder = projectIn(t, { "main.go": onCluster(code) });
  const { stdout } = await run(buildGo("moving-here", join(folder, "main.go")), [], { cwd: folder });
  assert.notEqual(stdout, "");
  assert.equal(await outputOf(t, after.code), stdout);
});

/** What a program prints on the cluster of this file. */
async function outputOf(t: TestContext, code: string): Promise<string> {
  const folder = projectIn(t, { "program.mjs": onCluster(code) });
  return (await run(process.execPath, [join(folder, "program.mjs")], { cwd: folder })).stdout;
}

function onCluster(code: string): string {
  return code.replaceAll("http://127.0.0.1:2379", cluster.endpoints[0] ?? assert.fail());
}
