import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import {
  ClusterError,
  isIndexCleared,
  KeysAPI,
  Mirror,
  ResponseError,
  Client,
  type MirrorOptions,
  type MirrorUpdate,
} from "../src/core/index.js";
import { TcpProxy } from "../src/test-kit/tcp-proxy.js";
import { HeaderWatch, patience, until } from "../src/test-kit/waiting.js";
import { tapped } from "./config-support.js";
import { clearHistory, clusterForTests, isOverV3, ownMember, ownMemberWithoutApi, renewDirectory } from "./support.js";

const cluster = clusterForTests("mirror");

/** `kind: +key=value -key`, keys relative to the given one, in the order reported. */
function show({ kind, changes }: MirrorUpdate, dir: string): string {
  const shown = changes.map(
    ({ type, node }) =>
      `${type === "remove" ? "-" : "+"}${node.key.slice(dir.length)}${type === "remove" ? "" : `=${node.value}`}`,
  );
  return [`${kind}:`, ...shown].join(" ");
}

/** The sum of all changes, which must equal the mirror's content and etcd's. */
class Folded {
  readonly files = new Map<string, string>();

  take({ changes }: MirrorUpdate): void {
    for (const { type, node } of changes) {
      if (type === "set") this.files.set(node.key, node.value);
      else assert.ok(this.files.delete(node.key), `${node.key} went twice`);
    }
  }

  async check(keys: KeysAPI, dir: string, mirror: Mirror): Promise<void> {
    const { node } = await keys.get(dir, { recursive: true, sort: true });
    const files = (function filesOf(each: typeof node): readonly (readonly [string, string])[] {
      return each.dir ? each.nodes.flatMap(filesOf) : [[each.key, each.value]];
    })(node);
    assert.deepEqual([...this.files].sort(), [...files].sort());
    assert.deepEqual([...mirror.nodes.values()].map(({ key, value }) => [key, value]).sort(), [...files].sort());
  }
}

function clientTo(t: TestContext, url: string): Client {
  const client = new Client({ endpoints: [url] });
  t.after(() => client.close());
  return client;
}

test("mirror: between list and watch nothing is lost and nothing reported twice", async () => {
  const dir = `${cluster.dir}/between`;
  let writes = 0;
  const tap = tapped(cluster.client, {
    after: async () => {
      // after every read, and after every event before the mirror sees it
      if (writes < 20) await cluster.keys.set(`${dir}/${String(writes)}`, String(writes++));
    },
  });
  const mirror = new Mirror(new KeysAPI(tap), dir);
  const folded = new Folded();
  let told = 0;
  while (folded.files.size < 20) {
    const update = await mirror.next(patience());
    told += update.changes.length;
    folded.take(update);
  }
  assert.equal(told, 20);
  await folded.check(cluster.keys, dir, mirror);
});

test("mirror: every kind of write or removal is one change; a refresh or a hidden key is none", async () => {
  const dir = `${cluster.dir}/ways`;
  const { keys } = cluster;
  const mirror = new Mirror(keys, dir);
  const next = async (): Promise<string> => show(await mirror.next(patience()), dir);
  assert.equal(await next(), "list:");
  await keys.set(`${dir}/a`, "1");
  assert.equal(await next(), "event: +/a=1");
  await keys.create(`${dir}/sub/b`, "2");
  assert.equal(await next(), "event: +/sub/b=2");
  await keys.update(`${dir}/a`, "3");
  assert.equal(await next(), "event: +/a=3");
  const { node } = await keys.set(`${dir}/a`, "4", { prevValue: "3", ttl: 600 });
  assert.equal(await next(), "event: +/a=4");
  await keys.refresh(`${dir}/a`, 600);
  await keys.set(`${dir}/_hidden`, "x");
  await keys.set(`${dir}/sub/_hidden/c`, "x");
  await keys.set(`${dir}/empty`, "", { dir: true });
  await renewDirectory(keys, `${dir}/sub`, 600);
  const inOrder = await keys.createInOrder(`${dir}/sub`, "5");
  assert.equal(await next(), `event: +${inOrder.node.key.slice(dir.length)}=5`);
  assert.equal(mirror.nodes.get(`${dir}/a`)?.modifiedIndex, node.modifiedIndex);
  await keys.delete(inOrder.node.key, { prevValue: "5" });
  assert.equal(await next(), `event: -${inOrder.node.key.slice(dir.length)}`);
  await keys.set(`${dir}/short`, "6", { ttl: 1 });
  assert.equal(await next(), "event: +/short=6");
  assert.equal(await next(), "event: -/short");
  await keys.delete(`${dir}/a`);
  assert.equal(await next(), "event: -/a");
});

test("mirror: deleting the directory or one above it removes all files below; both can be created again", async () => {
  const { keys } = cluster;
  const parent = `${cluster.dir}/above`;
  const dir = `${parent}/dir`;
  for (const name of ["a/1", "a/2", "ab/1", "b"]) await keys.set(`${dir}/${name}`, "x");
  const mirror = new Mirror(keys, dir);
  const next = async (): Promise<string> => show(await mirror.next(patience()), dir);
  assert.equal(await next(), "list: +/a/1=x +/a/2=x +/ab/1=x +/b=x");
  await keys.delete(`${dir}/a`, { recursive: true });
  assert.equal(await next(), "event: -/a/1 -/a/2");
  // next to it, with a name that begins like it: watchers that read history get its events
  await keys.set(`${parent}/di`, "", { dir: true });
  await keys.delete(`${parent}/di`, { dir: true });
  await keys.delete(parent, { recursive: true });
  assert.equal(await next(), "event: -/ab/1 -/b");
  // over v3 only files have a TTL
  await keys.set(parent, "", { dir: true, ...(!isOverV3 && { ttl: 6 }) });
  await keys.set(`${dir}/again`, "y", { ...(isOverV3 && { ttl: 6 }) });
  assert.equal(await next(), "event: +/again=y");
  assert.equal(await next(), "event: -/again");
});

test("mirror: it follows a single file", async () => {
  const { keys } = cluster;
  const key = `${cluster.dir}/file`;
  const mirror = new Mirror(keys, key);
  const next = async (): Promise<string> => show(await mirror.next(patience()), key);
  assert.equal(await next(), "list:");
  await keys.set(key, "1");
  assert.equal(await next(), "event: +=1");
  mirror.resync();
  assert.equal(await next(), "list:");
  await keys.set(key, "2");
  assert.equal(await next(), "event: +=2");
  await keys.delete(key);
  assert.equal(await next(), "event: -");
});

test("mirror: an aborted wait loses nothing", async () => {
  const { keys } = cluster;
  const dir = `${cluster.dir}/abort`;
  const heard = new HeaderWatch(cluster.client);
  const mirror = new Mirror(new KeysAPI(heard), dir);
  await mirror.next(patience());
  const came = heard.headers();
  const abort = new AbortController();
  const pending = mirror.next(abort.signal);
  await came;
  const reason = new Error("not now");
  abort.abort(reason);
  await assert.rejects(pending, reason);
  await keys.set(`${dir}/a`, "1");
  await keys.set(`${dir}/b`, "2");
  assert.equal(show(await mirror.next(patience()), dir), "event: +/a=1");
  assert.equal(show(await mirror.next(patience()), dir), "event: +/b=2");
});

test("mirror: it is read like a map, and waitFor resolves for own writes, others' writes and writes without an event", async (t) => {
  const { keys } = cluster;
  const dir = `${cluster.dir}/view`;
  await keys.set(`${dir}/a`, "1", { ttl: 600 });
  const mirror = new Mirror(keys, dir);
  await mirror.ready;
  assert.equal(mirror.get(`${dir}/a`)?.value, "1");
  const end = new AbortController();
  t.after(() => {
    end.abort();
  });
  const told: string[] = [];
  const loop = (async () => {
    for await (const update of mirror.updates(end.signal)) told.push(show(update, dir));
  })().catch((error: unknown) => error);
  const { node } = await keys.set(`${dir}/sub/b`, "2");
  await mirror.waitFor(node.modifiedIndex, patience());
  assert.ok(mirror.has(`${dir}/sub/b`));
  assert.deepEqual(
    mirror.list(`${dir}/sub`).map(({ value }) => value),
    ["2"],
  );
  const refreshed = await keys.refresh(`${dir}/a`, 600);
  await mirror.waitFor(refreshed.index, patience());
  assert.equal(mirror.get(`${dir}/a`)?.modifiedIndex, refreshed.node.modifiedIndex);
  const elsewhere = await keys.set(`${cluster.dir}/elsewhere`, "3");
  await mirror.waitFor(elsewhere.index, patience());
  assert.ok(mirror.index >= elsewhere.index);
  await keys.delete(`${dir}/a`);
  const { index } = await keys.get(dir, { quorum: true });
  await mirror.waitFor(index, patience());
  assert.deepEqual([...mirror.keys()], [`${dir}/sub/b`]);
  end.abort();
  assert.equal(await loop, end.signal.reason);
  assert.deepEqual(
    told.filter((update) => update !== "list:"),
    ["list: +/a=1", "event: +/sub/b=2", "event: -/a"],
  );
});

test("mirror: after the history was cleared while it is cut off, it reads again and reports only the difference", async (t) => {
  const own = await ownMember();
  t.after(() => own.stop());
  const proxy = await TcpProxy.start(own.endpoints[0] ?? "");
  t.after(() => proxy.close());
  const keys = new KeysAPI(clientTo(t, own.endpoints[0] ?? ""));
  for (const [name, value] of [
    ["gone", "1"],
    ["same", "2"],
    ["changed", "3"],
    ["refreshed", "4"],
  ] as const)
    await keys.set(`/d/${name}`, value);
  const { mirror, errors } = mirrorOf(clientTo(t, proxy.url), "/d");
  const folded = new Folded();
  folded.take(await mirror.next(patience()));
  const pending = mirror.next(patience(60_000));
  proxy.cut("refuse");
  await keys.delete("/d/gone");
  await keys.set("/d/changed", "33");
  await keys.refresh("/d/refreshed", 600);
  await keys.set("/d/new", "5");
  await clearHistory({ keys, endpoints: own.endpoints });
  await until("a failure", () => errors.length > 0);
  proxy.heal();
  const update = await pending;
  assert.equal(show(update, "/d"), "list: -/gone +/changed=33 +/new=5");
  folded.take(update);
  assert.ok(errors.some(isIndexCleared));
  await keys.set("/d/after", "6");
  const event = await mirror.next(patience());
  assert.equal(show(event, "/d"), "event: +/after=6");
  folded.take(event);
  await folded.check(keys, "/d", mirror);
});

test("mirror: when a server is killed and restarted on the same data, it reports every change once and ends up equal", async (t) => {
  const own = await ownMember();
  t.after(() => own.stop());
  const [member] = own.members;
  assert.ok(member !== undefined);
  const client = clientTo(t, member.url);
  const keys = new KeysAPI(clientTo(t, member.url));
  const { mirror, errors } = mirrorOf(client, "/d", { maxRetryMs: 200 });
  const folded = new Folded();
  const end = new AbortController();
  const taking = (async () => {
    for await (const update of mirror.updates(end.signal)) folded.take(update);
  })().catch((error: unknown) => error);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 5; i++) await keys.set(`/d/${String(i)}`, String(round));
    await keys.delete(`/d/${String(round)}`);
    const failures = errors.length;
    await member.kill();
    await until("a failure", () => errors.length > failures);
    await member.start();
  }
  await keys.set("/d/last", "1");
  await until("the last change", () => folded.files.has("/d/last"));
  end.abort();
  assert.equal(await taking, end.signal.reason);
  await folded.check(keys, "/d", mirror);
  assert.ok(errors.every((error) => error instanceof ClusterError));
});

test("mirror: if the server is down at first, it reads once it is up; without the API it rejects", async (t) => {
  const own = await ownMember();
  t.after(() => own.stop());
  const [member] = own.members;
  assert.ok(member !== undefined);
  await member.terminate();
  const { mirror, errors } = mirrorOf(clientTo(t, member.url), "/d", { maxRetryMs: 200 });
  const first = mirror.next(patience());
  await until("some failures", () => errors.length > 2);
  await member.start();
  assert.equal(show(await first, "/d"), "list:");
  const without = await ownMemberWithoutApi();
  t.after(() => without.stop());
  await assert.rejects(
    new Mirror(new KeysAPI(clientTo(t, without.endpoints[0] ?? "")), "/d").next(patience()),
    ResponseError,
  );
});

function mirrorOf(
  client: Client,
  dir: string,
  options: MirrorOptions = {},
): { readonly mirror: Mirror; readonly errors: readonly unknown[] } {
  const errors: unknown[] = [];
  const mirror = new Mirror(new KeysAPI(client), dir, {
    maxRetryMs: 500,
    ...options,
    onError: (error) => errors.push(error),
  });
  return { mirror, errors };
}
