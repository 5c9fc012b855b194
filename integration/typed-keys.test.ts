import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import {
  DecodeError,
  isCompareFailed,
  isNodeExist,
  jsonCodec,
  UsageError,
  type TypedEvent,
  type TypedMirrorUpdate,
} from "../src/core/index.js";
import { deferred } from "../src/util/deferred.js";
import { patience } from "../src/test-kit/waiting.js";
import { clusterForTests } from "./support.js";

const cluster = clusterForTests("typed-keys");

const Color = z.object({ hex: z.string().regex(/^#[0-9a-f]{3}$/) });
type Color = z.infer<typeof Color>;
const [red, green, blue] = [{ hex: "#f00" }, { hex: "#0f0" }, { hex: "#00f" }];
const secret = "s3cr3t";
const isBad = (key: string, index: number) => (error: unknown) => {
  assert.ok(error instanceof DecodeError);
  assert.deepEqual([error.key, error.index], [key, index]);
  assert.ok(!JSON.stringify([error, error.stack]).includes(secret));
  return true;
};

test("typed keys: get, set, create, update and createInOrder carry values of the type", async () => {
  const { keys, dir } = cluster;
  const colors = keys.withCodec(jsonCodec(Color));
  const key = `${dir}/calls/color`;

  const made = await colors.create(key, red);
  assert.deepEqual(made.node.value, red);
  assert.equal((await keys.get(key)).node.value, '{"hex":"#f00"}');
  await assert.rejects(colors.create(key, red), isNodeExist);

  const replaced = await colors.set(key, green, { prevIndex: made.node.modifiedIndex });
  assert.equal(replaced.action, "compareAndSwap");
  assert.deepEqual([replaced.node.value, replaced.prevNode?.value], [green, red]);
  await assert.rejects(colors.update(key, blue, { prevIndex: made.node.modifiedIndex }), isCompareFailed);
  assert.deepEqual((await colors.update(key, blue, { ttl: 60 })).node.ttl, 60);

  const { node, index } = await colors.get(key, { quorum: true });
  assert.ok(!node.dir && index > 0);
  const value: Color = node.value;
  assert.deepEqual(value, blue);

  const queued = await colors.createInOrder(`${dir}/calls/queue`, red);
  assert.match(queued.node.key, /\/\d{20}$/);

  const tree = await colors.get(`${dir}/calls`, { recursive: true, sort: true });
  assert.ok(tree.node.dir);
  const [file, queue] = tree.node.nodes;
  assert.deepEqual([file?.value, queue?.dir, queue?.nodes[0]?.value], [blue, true, red]);
});

test("typed keys: a bad value is an error with key and index; a write over it succeeds", async () => {
  const { keys, dir } = cluster;
  const colors = keys.withCodec(jsonCodec(Color));
  const key = `${dir}/bad/color`;
  const { node } = await keys.set(key, `{"hex":"${secret}"}`);
  await assert.rejects(colors.get(key), isBad(key, node.modifiedIndex));
  await assert.rejects(colors.get(`${dir}/bad`, { recursive: true }), isBad(key, node.modifiedIndex));
  const repaired = await colors.set(key, red);
  assert.deepEqual([repaired.node.value, repaired.prevNode], [red, undefined]);
});

test("typed keys: values that the schema refuses and bad options are not sent", async () => {
  const { keys, dir } = cluster;
  const colors = keys.withCodec(jsonCodec(Color));
  const key = `${dir}/refused`;
  await assert.rejects(colors.set(key, { hex: secret }), UsageError);
  await assert.rejects(colors.set(key, red, { prevValue: "a" } as object), { message: /no field "prevValue"/ });
  await assert.rejects(keys.get(key), { errorCode: 100 });
  assert.throws(() => keys.withCodec({} as never), { code: "ERR_ARGUMENT" });
});

test("typed keys: a watcher delivers values, rejects for a bad one, and goes on after it", async () => {
  const { keys, dir } = cluster;
  const colors = keys.namespace(dir).withCodec(jsonCodec(Color));
  const { index } = await colors.set("/watched/a", red);
  const watcher = colors.watcher("/watched", { recursive: true, afterIndex: index });
  const bad = await keys.set(`${dir}/watched/a`, secret);
  await colors.set("/watched/a", green);
  await keys.delete(`${dir}/watched/a`);
  await assert.rejects(watcher.next(patience()), isBad("/watched/a", bad.node.modifiedIndex));

  const seen: TypedEvent<Color>[] = [];
  for await (const event of watcher.events(patience())) if (seen.push(event) === 2) break;
  const [set, deleted] = seen;
  assert.ok(set?.action === "set" && !set.node.dir);
  assert.deepEqual([set.node.key, set.node.value, set.prevNode], ["/watched/a", green, undefined]);
  assert.deepEqual([deleted?.action, deleted?.node.value, deleted?.prevNode?.value], ["delete", undefined, green]);
});

test("typed keys: a mirror keeps the last good value of a key whose new value is bad, and reports it", async () => {
  const { keys, dir } = cluster;
  const colors = keys.namespace(`${dir}/mirrored`).withCodec(jsonCodec(Color));
  const raw = colors.keys;
  await colors.set("/a", red);
  const worst = await raw.set("/never-good", secret);
  const reported: unknown[] = [];
  const mirror = colors.mirror("/", { onError: (error) => reported.push(error) });

  assert.equal(show(await mirror.next(patience())), "list: set /a ->#f00 bad /never-good");
  assert.deepEqual([mirror.size, mirror.get("/a"), mirror.get("/never-good")], [1, red, undefined]);

  const bad = await raw.set("/a", secret);
  const update = await mirror.next(patience());
  assert.equal(show(update), "event: bad /a");
  assert.equal(update.index, mirror.index);
  assert.deepEqual(mirror.get("/a"), red);
  assert.ok(
    isBad("/never-good", worst.node.modifiedIndex)(reported[0]) && isBad("/a", bad.node.modifiedIndex)(reported[1]),
  );

  // the removal of what never had a good value changes nothing here
  await raw.delete("/never-good");
  await colors.set("/a", blue);
  assert.equal(show(await mirror.next(patience())), "event: set /a #f00>#00f");
  mirror.resync();
  assert.equal(show(await mirror.next(patience())), "list:");
  await raw.delete("/a");
  assert.equal(show(await mirror.next(patience())), "event: remove /a ->#00f");
  assert.equal(mirror.nodes.size, 0);
});

test("typed keys: a mirror is read like a map once it is ready", async () => {
  const { keys, dir } = cluster;
  const colors = keys.namespace(`${dir}/map`).withCodec(jsonCodec(Color));
  await colors.set("/warm/red", red);
  await colors.set("/cold/blue", blue);
  await colors.set("/cold/a/green", green);
  await colors.keys.set("/cold/bad", secret);
  const mirror = colors.mirror("/");
  assert.deepEqual([mirror.size, mirror.index, mirror.has("/warm/red")], [0, 0, false]);
  await mirror.ready;
  assert.deepEqual(
    [mirror.size, mirror.has("/warm/red"), mirror.has("/cold/bad"), mirror.has("/cold")],
    [3, true, false, false],
  );
  assert.deepEqual(
    mirror.list("/cold").map(({ key, value }) => [key, value]),
    [
      ["/cold/a/green", green],
      ["/cold/blue", blue],
    ],
  );
  assert.deepEqual([...mirror.keys()].sort(), ["/cold/a/green", "/cold/blue", "/warm/red"]);
  assert.deepEqual(new Set([...mirror.values()].map(({ value }) => value.hex)), new Set(["#f00", "#0f0", "#00f"]));
  assert.deepEqual(new Map(mirror), mirror.nodes);
  assert.deepEqual([mirror.get("warm/red"), mirror.has("warm/red")], [red, true]);
  // what `ready` has read is still the first update
  assert.match(show(await mirror.next(patience())), /^list: set .* set .* set .* bad \/cold\/bad$/);
});

test("typed keys: after waitFor a mirror has the write, however slow the codec is, and next still delivers it", async () => {
  const { keys, dir } = cluster;
  const codec = jsonCodec(Color);
  const slow = { ...codec, decode: (text: string) => sleep(20).then(() => codec.decode(text)) };
  const colors = keys.namespace(`${dir}/awaited`).withCodec(slow);
  const mirror = colors.mirror("/");

  // without a loop: changes in the meantime are one update
  await mirror.waitFor((await colors.set("/a", red)).index, patience());
  assert.deepEqual(mirror.get("/a"), red);
  await mirror.waitFor((await colors.keys.set("/b", secret)).index, patience());
  assert.equal(mirror.has("/b"), false);
  await mirror.waitFor((await colors.set("/b", blue)).index, patience());
  const { index } = await colors.keys.set("/a", secret);
  await mirror.waitFor(index, patience());
  assert.deepEqual([mirror.get("/a"), mirror.get("/b")], [red, blue]);
  assert.ok(mirror.index >= index);
  assert.equal(show(await mirror.next(patience())), "list: set /a ->#f00 set /b ->#00f bad /a");

  // with a loop
  const next = mirror.next(patience());
  await mirror.waitFor((await colors.set("/a", green)).index, patience());
  assert.deepEqual(mirror.get("/a"), green);
  // a machine that stalls makes waitFor read again
  assert.match(show(await next), /^(event|list): set \/a #f00>#0f0$/);
});

test("typed keys: next and waitFor lose nothing if they are aborted while the codec decodes", async () => {
  const { keys, dir } = cluster;
  const [reading, gate] = [deferred<undefined>(), deferred<undefined>()];
  const codec = jsonCodec(Color);
  const gated = async (text: string): Promise<Color> => {
    reading.resolve(undefined);
    await gate.promise;
    return codec.decode(text);
  };
  await keys.withCodec(codec).set(`${dir}/gated/a`, red);
  const colors = keys.withCodec({ ...codec, decode: gated });
  const mirror = colors.mirror(`${dir}/gated`);
  const reason = new Error("no longer needed");
  const controllers = [new AbortController(), new AbortController()];
  const calls = [mirror.next(controllers[0]?.signal), mirror.waitFor(0, controllers[1]?.signal)];
  await reading.promise;
  for (const controller of controllers) controller.abort(reason);
  for (const call of calls) await assert.rejects(call, reason);
  gate.resolve(undefined);
  assert.equal(show(await mirror.next(patience())), `list: set ${dir}/gated/a ->#f00`);
});

const show = ({ kind, changes, errors }: TypedMirrorUpdate<Color>): string =>
  [
    `${kind}:`,
    ...changes.map(({ type, node, prevNode }) => `${type} ${node.key} ${prevNode?.value.hex ?? "-"}>${node.value.hex}`),
    ...errors.map(({ key }) => `bad ${key}`),
  ].join(" ");
