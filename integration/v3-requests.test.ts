// Which requests a call sends, and that it answers the same whichever they are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onBothGateways, storeBelow } from "./v3-support.js";
import { trackedOn } from "./v3-tracked.js";

onBothGateways((ground) => {
  test("v3 requests: a file is read by one range, whatever other keys begin with its name (V79)", async () => {
    const { keys, others, sent } = trackedOn(ground);
    for (const key of ["/d/a", "/d/b", "/d/b-x", "/d/c", "/d/c.x", "/d/ä", "/d/dir/x"]) await others.put(key, key);
    assert.deepEqual(await sent(keys.get("/d/a")), ["look", "get /d/a=/d/a"]);
    assert.deepEqual(await sent(keys.get("/d/ä")), ["look", "get /d/ä=/d/ä"]);
    // the first look at a key with such a neighbour does not show whether something is below it
    assert.deepEqual(await sent(keys.get("/d/b")), ["look", "reads", "get /d/b=/d/b"]);
    assert.deepEqual(await sent(keys.get("/d/b")), ["reads", "get /d/b=/d/b"]);
    assert.deepEqual(await sent(keys.get("/d/c")), ["look", "reads", "get /d/c=/d/c"]);
    // the neighbour is not taken for the key, nor for what is below it
    await others.remove("/d/c");
    assert.deepEqual(await sent(keys.get("/d/c")), ["reads", "reads", "100 /d/c"]);
    await others.put("/d/c/below");
    assert.deepEqual(await sent(keys.get("/d/c")), ["reads", "get /d/c{/d/c/below}"]);
    assert.deepEqual(await sent(keys.get("/d/c")), ["list", "get /d/c{/d/c/below}"]);
    await others.put("/d/e-1");
    await others.put("/d/e-2");
    await others.put("/d/e/below");
    assert.deepEqual(await sent(keys.get("/d/e")), ["look", "reads", "get /d/e{/d/e/below}"]);
    assert.deepEqual(await sent(keys.get("/d/none")), ["look", "reads", "100 /d/none"]);
    assert.deepEqual(await sent(keys.get("/d/a/x")), ["look", "reads", "104 /d/a"]);
  });

  test("v3 requests: a directory that was seen is listed at once; what is both a file and a directory is one (V79, V123)", async () => {
    const { keys, others, sent } = trackedOn(ground);
    for (const key of ["/d/x/1", "/d/y/1", "/both", "/both/1"]) await others.put(key, key);
    assert.deepEqual(await sent(keys.get("/both")), ["look", "list", "get /both{/both/1}"]);
    assert.deepEqual(await sent(keys.get("/both")), ["list", "get /both{/both/1}"]);
    assert.deepEqual(await sent(keys.get("/d")), ["look", "list", "get /d{/d/x /d/y}"]);
    assert.deepEqual(await sent(keys.get("/d")), ["list", "get /d{/d/x /d/y}"]);
    assert.deepEqual(await sent(keys.get("/d/x")), ["list", "get /d/x{/d/x/1}"], "seen in the listing");
    assert.deepEqual(await sent(keys.set("/made", "", { dir: true })), ["lean", "set /made{}"]);
    assert.deepEqual(await sent(keys.get("/made")), ["list", "get /made{}"], "made by this client");
  });

  test("v3 requests: what was seen of a key may be wrong: a read finds what is there now (V79)", async () => {
    const { keys, others, sent } = trackedOn(ground);
    await others.put("/k/1");
    await sent(keys.get("/k"));
    await others.removeBelow("/k");
    await others.put("/k", "file");
    assert.deepEqual(await sent(keys.get("/k")), ["list", "reads", "get /k=file"], "a directory became a file");
    assert.deepEqual(await sent(keys.get("/k")), ["look", "get /k=file"]);
    await others.put("/k/2");
    await others.remove("/k");
    assert.deepEqual(await sent(keys.get("/k")), ["look", "list", "get /k{/k/2}"], "a file became a directory");
    await others.removeBelow("/k");
    assert.deepEqual(await sent(keys.get("/k")), ["list", "reads", "reads", "100 /k"], "a directory is gone");
    assert.deepEqual(await sent(keys.get("/k")), ["look", "reads", "100 /k"]);
    await others.put("/k-1");
    await others.put("/k", "2");
    assert.deepEqual(await sent(keys.get("/k")), ["look", "reads", "get /k=2"]);
    await others.remove("/k-1");
    assert.deepEqual(await sent(keys.get("/k")), ["reads", "get /k=2"], "a neighbour is gone");
    await others.remove("/k");
    assert.deepEqual(await sent(keys.get("/k")), ["reads", "reads", "100 /k"]);
  });

  test("v3 requests: a key that changes between two requests of a read is returned as it was at one moment (V79)", async () => {
    const { keys, others, sent, before } = trackedOn(ground);
    const becomeFile = async (): Promise<void> => {
      await others.removeBelow("/k");
      await others.put("/k", "file");
    };
    await others.put("/k/1");
    before(2, becomeFile);
    assert.deepEqual(await sent(keys.get("/k")), ["look", "list", "reads", "get /k=file"]);
    await others.put("/k-1");
    before(2, async () => {
      await others.remove("/k");
      await others.put("/k/2");
    });
    assert.deepEqual(await sent(keys.get("/k")), ["look", "reads", "get /k{/k/2}"]);
    before(1, becomeFile);
    assert.deepEqual(await sent(keys.get("/k")), ["list", "reads", "get /k=file"]);
  });

  test("v3 requests: a write makes the directories of its key by a whole transaction, then lean ones do (V79)", async () => {
    const { keys, others, sent } = trackedOn(ground);
    assert.deepEqual(await sent(keys.set("/a/b/k", "1")), ["whole", "set /a/b/k=1"]);
    assert.deepEqual(await sent(keys.set("/a/b/k", "2")), ["lean", "set /a/b/k=2"]);
    assert.deepEqual(await sent(keys.create("/a/b/l", "1")), ["lean", "create /a/b/l=1"]);
    assert.deepEqual(await sent(keys.update("/a/b/l", "2")), ["lean", "update /a/b/l=2"]);
    assert.deepEqual(await sent(keys.set("/a/b/l", "3", { prevValue: "2" })), ["lean", "compareAndSwap /a/b/l=3"]);
    assert.deepEqual(await sent(keys.delete("/a/b/l", { prevValue: "3" })), ["lean", "compareAndDelete /a/b/l="]);
    assert.deepEqual(await sent(keys.set("/a/b/t", "1", { ttl: 60 })), ["grant", "lean", "set /a/b/t=1"]);
    assert.deepEqual(await sent(keys.delete("/a/b/t")), ["lean", "delete /a/b/t="]);
    assert.deepEqual(await sent(keys.set("/a/b/dir", "", { dir: true })), ["lean", "set /a/b/dir{}"]);
    assert.deepEqual(await sent(keys.set("/a/b/dir/k", "1")), ["lean", "set /a/b/dir/k=1"]);
    assert.deepEqual(await sent(keys.set("/top", "1")), ["lean", "set /top=1"]);
    // a marker is gone: it is made again, and the response is the same
    await others.remove("/a/");
    const { prevNode } = await keys.set("/a/b/k", "3");
    assert.equal(prevNode?.value, "2");
    await others.removeBelow("/a");
    await sent(keys.get("/top"));
    assert.deepEqual(await sent(keys.create("/a/b/k", "4")), ["lean", "whole", "create /a/b/k=4"]);
    assert.deepEqual(await sent(keys.set("/a/b/k", "5")), ["lean", "set /a/b/k=5"]);
    await others.removeBelow("/a");
    assert.deepEqual(await sent(keys.delete("/a/b/k")), ["lean", "whole", "100 /a"]);
    await others.put("/a", "file");
    assert.deepEqual(await sent(keys.set("/a/b/new", "1")), ["lean", "whole", "104 /a"]);
  });

  test("v3 requests: markers are there after each write, whichever transaction it took (V4, V79)", async () => {
    const { namespace, keys, others } = trackedOn(ground);
    const markers = async (): Promise<string> =>
      Object.keys(await storeBelow(ground, namespace))
        .filter((key) => key.endsWith("/"))
        .join(" ");
    await keys.set("/a/b/k", "1");
    for (const marker of ["/a/", "/a/b/"]) {
      for (const write of [
        () => keys.set("/a/b/k", "2"),
        () => keys.update("/a/b/k", "2"),
        () => keys.set("/a/b/k", "1", { prevExist: true }),
        () => keys.create(`/a/b/${String(Math.random())}`, ""),
        () => keys.delete("/a/b/k").then(() => keys.set("/a/b/k", "1")),
      ]) {
        await others.remove(marker);
        await write();
        assert.equal(await markers(), "/a/ /a/b/", marker);
      }
    }
    const implied = ground.keys({ namespace, directories: "implied" });
    await implied.set("/i/k", "1");
    await implied.set("/i/k", "2");
    assert.equal(await markers(), "/a/ /a/b/");
  });

  test("v3 requests: a refused write gets the reason; the next one to its key sends the whole transaction at once (V1, V11, V79)", async () => {
    const { keys, sent } = trackedOn(ground);
    await sent(keys.set("/d/k", "1"));
    const swap = (prevValue: string): Promise<unknown> => keys.set("/d/k", "2", { prevValue });
    const withheld = "101 withheld: it quotes the values";
    assert.deepEqual(await sent(swap("x")), ["lean", "whole", withheld]);
    assert.deepEqual(await sent(swap("x")), ["whole", withheld]);
    assert.deepEqual(await sent(swap("1")), ["whole", "compareAndSwap /d/k=2"]);
    assert.deepEqual(await sent(swap("2")), ["lean", "compareAndSwap /d/k=2"]);
    assert.deepEqual(await sent(keys.create("/d/k", "")), ["lean", "whole", "105 /d/k"]);
    assert.deepEqual(await sent(keys.create("/d/k", "")), ["whole", "105 /d/k"]);
    assert.deepEqual(await sent(keys.delete("/d/k", { prevIndex: 1 })).then(([how]) => how), "whole");
    assert.deepEqual(await sent(keys.update("/d/none", "")), ["lean", "whole", "100 /d/none"]);
    assert.deepEqual(await sent(keys.delete("/d/none")), ["whole", "100 /d/none"]);
    assert.deepEqual(await sent(keys.set("/d/k/x", "")), ["whole", "104 /d/k"]);
    assert.deepEqual(await sent(keys.set("/d", "")), ["lean", "whole", "102 /d"]);
    // a directory that was seen is not tried as a file
    await sent(keys.get("/d"));
    await sent(keys.set("/e/f/k", ""));
    await sent(keys.get("/e"));
    assert.deepEqual(await sent(keys.set("/e/f", "")), ["whole", "102 /e/f"]);
  });

  test("v3 requests: a key in order takes one request while nobody else makes one, and names ascend all the same (V36, V38, V118)", async () => {
    const { namespace, keys, others, sent, before } = trackedOn(ground);
    const other = ground.keys({ namespace });
    const names: string[] = [];
    const requests = async (): Promise<readonly string[]> => {
      const call = keys.createInOrder("/q/d", "v");
      const words = await sent(call);
      names.push((await call).node.key);
      return words.slice(0, -1);
    };
    assert.deepEqual(await requests(), ["reads", "whole"]);
    assert.deepEqual(await requests(), ["lean"]);
    // another client makes one: the marker has moved
    names.push((await other.createInOrder("/q/d", "v")).node.key);
    assert.deepEqual(await requests(), ["lean", "whole"]);
    assert.deepEqual(await requests(), ["lean"]);
    // other processes do so between its requests: calls of one process would queue
    before(1, () => others.put("/q/d/"));
    before(2, () => others.put("/q/d/"));
    assert.deepEqual(await requests(), ["lean", "whole", "whole"]);
    // somebody made the next name: it is passed over
    const next = String(Number(names.at(-1)?.split("/").at(-1)) + 1).padStart(20, "0");
    await others.put(`/q/d/${next}`);
    assert.equal((await requests())[0], "lean");
    assert.deepEqual(names, names.toSorted());
    assert.equal(new Set(names).size, names.length);
    // the directory is gone, with what is above it
    await others.removeBelow("/q");
    assert.deepEqual(await requests(), ["lean", "whole"]);
    assert.deepEqual(names, names.toSorted());
    await others.remove("/q/");
    assert.deepEqual(await requests(), ["lean", "whole"]);
    assert.equal((await keys.get("/q")).node.createdIndex > 0, true, "its marker is back");
    await others.removeBelow("/q");
    await others.put("/q", "file");
    assert.deepEqual((await sent(keys.createInOrder("/q/d", "v"))).slice(-3), ["lean", "whole", "104 /q"]);
  });

  test("v3 requests: the longest keys fit into a lean transaction, too: etcd takes 128 operations (V79)", async () => {
    const { keys, sent } = trackedOn(ground);
    const key = "/d".repeat(60);
    const how = async (call: Promise<unknown>): Promise<string> => (await sent(call)).slice(0, -1).join(" ");
    assert.equal(await how(keys.set(key, "1")), "whole");
    assert.equal(await how(keys.set(key, "2", { prevValue: "1", prevExist: true })), "lean");
    assert.equal(await how(keys.delete(key, { prevValue: "2" })), "lean");
    assert.equal(await how(keys.createInOrder(key, "")), "reads whole");
    assert.equal(await how(keys.createInOrder(key, "")), "lean");
  });

  test("v3 requests: what changes after a lean transaction failed is what the whole one decides on (V79)", async () => {
    const { keys, others, sent, before } = trackedOn(ground);
    await sent(keys.set("/d/k", "1"));
    before(2, () => others.put("/d/k", "2"));
    assert.deepEqual(await sent(keys.set("/d/k", "3", { prevValue: "2" })), ["lean", "whole", "compareAndSwap /d/k=3"]);
    await others.remove("/d/");
    before(2, () => others.put("/d/new", "other"));
    assert.deepEqual(await sent(keys.create("/d/new", "own")), ["lean", "whole", "105 /d/new"]);
    assert.deepEqual(await sent(keys.get("/d/new")), ["look", "get /d/new=other"]);
  });

  test("v3 requests: a response lost after either transaction leaves the outcome unknown, and nothing is applied twice (V68, V70)", async () => {
    const { keys, others, sent, lose } = trackedOn(ground);
    const swap = (from: string, to: string): Promise<unknown> => keys.set("/d/k", to, { prevValue: from, ttl: 60 });
    await sent(keys.set("/d/k", "1"));
    lose(2);
    assert.deepEqual(await sent(swap("1", "2")), ["grant", "lean", "unknown"]);
    const { node } = await keys.get("/d/k", { quorum: true });
    assert.equal(node.value, "2");
    await others.remove("/d/");
    await sent(keys.get("/d/k"));
    lose(3);
    assert.deepEqual(await sent(swap("2", "3")), ["grant", "lean", "whole", "unknown"]);
    const { node: after } = await keys.get("/d/k", { quorum: true });
    assert.deepEqual([after.value, after.createdIndex], ["3", node.createdIndex]);
    assert.ok((after.ttl ?? 0) > 50);
    // a lean transaction that failed has changed nothing: what is refused after it is refused
    await others.remove("/d/");
    await sent(keys.get("/d/k"));
    assert.deepEqual((await sent(swap("0", "4"))).slice(0, 3), ["grant", "lean", "whole"]);
    assert.equal((await keys.get("/d/k", { quorum: true })).node.value, "3");
  });
});
