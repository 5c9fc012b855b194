import assert from "node:assert/strict";
import test from "node:test";
import { UsageError } from "../util/errors.js";
import { Recorder, service, showService } from "./test-kit/config-objects.js";
import { gate, settled } from "../test-kit/scripted-cluster.js";
import { ServiceConfig, type Operation, type Service, type ServiceUpdate, type UpdateSink } from "./index.js";

function send(sink: UpdateSink<ServiceUpdate>, op: Operation, ...texts: readonly string[]): Promise<void> {
  return sink.send({ op, services: texts.map(service) });
}

function recorded(config: ServiceConfig): Recorder<Service> {
  const recorder = new Recorder<Service>(showService);
  config.registerHandler(recorder);
  return recorder;
}

test("config: an added service is passed to the handler (config 1)", async () => {
  const config = new ServiceConfig();
  const handler = recorded(config);
  await send(config.channel("one"), "add", "foo:10");
  assert.deepEqual(handler.calls, [["/foo:10"]]);
});

test("config: add, remove and set are one call each (config 2)", async () => {
  const config = new ServiceConfig();
  const sink = config.channel("one");
  await send(sink, "add", "foo:10");
  const handler = new Recorder<Service>(showService);
  config.registerHandler(handler, { replay: false });
  await send(sink, "add", "bar:20");
  await send(sink, "remove", "foo");
  await send(sink, "set", "foobar:99");
  assert.deepEqual(handler.calls, [["/bar:20", "/foo:10"], ["/bar:20"], ["/foobar:99"]]);
});

test("config: two sources make a union (config 3)", async () => {
  const config = new ServiceConfig();
  const handler = recorded(config);
  await send(config.channel("one"), "add", "foo:10");
  await send(config.channel("two"), "add", "bar:20");
  assert.equal(handler.calls.length, 2);
  assert.deepEqual([...(handler.last ?? [])].sort(), ["/bar:20", "/foo:10"]);
});

test("config: a source has one sink (config 4)", () => {
  const config = new ServiceConfig();
  assert.equal(config.channel("one"), config.channel("one"));
  assert.notEqual(config.channel("one"), config.channel("two"));
  assert.equal(config.channel("one").source, "one");
});

test("config: a source without a name is refused (config 5)", () => {
  assert.throws(() => new ServiceConfig().channel(""), UsageError);
});

test("config: two handlers are called in order, each with an array of its own (config 6)", async () => {
  const config = new ServiceConfig();
  const calls: string[] = [];
  const last: (readonly Service[])[] = [];
  config.registerHandler((items) => {
    calls.push("first");
    // as the tests of other implementations do
    (items as Service[]).reverse();
  });
  config.registerHandler({
    onUpdate: (items) => {
      calls.push("second");
      last.push(items);
    },
  });
  await send(config.channel("one"), "set", "a", "b");
  await send(config.channel("one"), "add", "c");
  assert.deepEqual(calls, ["first", "second", "first", "second"]);
  assert.deepEqual(last.at(-1)?.map(showService), ["/a:80", "/b:80", "/c:80"]);
  assert.deepEqual(config.config().map(showService), ["/a:80", "/b:80", "/c:80"]);
});

test("config: an empty set empties only its own source (config 8)", async () => {
  const config = new ServiceConfig();
  const [one, two] = [config.channel("one"), config.channel("two")];
  await send(one, "add", "foo");
  await send(two, "add", "bar");
  const handler = new Recorder<Service>(showService);
  config.registerHandler(handler, { replay: false });
  await send(one, "set");
  assert.deepEqual(handler.calls, [["/bar:80"]]);
});

test("config: a key in two sources is there twice, and each source removes only its own (config 9)", async () => {
  const config = new ServiceConfig();
  await send(config.channel("one"), "add", "foo:1");
  await send(config.channel("two"), "add", "foo:2");
  assert.deepEqual(config.config().map(showService), ["/foo:1", "/foo:2"]);
  await send(config.channel("one"), "remove", "foo");
  assert.deepEqual(config.config().map(showService), ["/foo:2"]);
});

test("config: an add that changes nothing is a call, too (config 10)", async () => {
  const config = new ServiceConfig();
  const handler = recorded(config);
  await send(config.channel("one"), "add", "foo:1");
  await send(config.channel("one"), "add", "foo:1");
  assert.deepEqual(handler.calls, [["/foo:1"], ["/foo:1"]]);
});

test("config: an unknown operation is a TypeError, and no call (config 11)", async () => {
  const config = new ServiceConfig();
  const handler = recorded(config);
  const bogus: unknown = { op: "bogus", services: [service("foo")] };
  await assert.rejects(config.channel("one").send(bogus as ServiceUpdate), TypeError);
  assert.deepEqual(handler.calls, []);
  assert.deepEqual(config.config(), []);
});

test("config: services of one name in two namespaces are two (config 12)", async () => {
  const config = new ServiceConfig();
  const sink = config.channel("one");
  await send(sink, "add", "a/web:1", "b/web:2");
  assert.deepEqual(config.config().map(showService), ["a/web:1", "b/web:2"]);
  await send(sink, "remove", "a/web");
  assert.deepEqual(config.config().map(showService), ["b/web:2"]);
});

test("config: a handler that throws stops neither the others nor later updates (config 13)", async () => {
  const errors: unknown[] = [];
  const config = new ServiceConfig({ onError: (error) => errors.push(error) });
  const failure = new Error("first call");
  let calls = 0;
  config.registerHandler(() => {
    if (++calls === 1) throw failure;
  });
  const second = recorded(config);
  await send(config.channel("one"), "add", "foo");
  await send(config.channel("one"), "add", "bar");
  assert.equal(calls, 2);
  assert.equal(second.calls.length, 2);
  assert.deepEqual(errors, [failure]);
});

test("config: a handler that rejects, and an onError that throws, stop nothing", async () => {
  let told = 0;
  const config = new ServiceConfig({
    onError: () => {
      told++;
      throw new Error("worse");
    },
  });
  config.registerHandler(() => Promise.reject(new Error("later")));
  const second = recorded(config);
  await send(config.channel("one"), "add", "foo");
  assert.equal(told, 1);
  assert.equal(second.calls.length, 1);
});

test("config: calls of a slow handler do not overlap, and send() resolves after its call (config 14)", async () => {
  const config = new ServiceConfig();
  let running = 0;
  let done = 0;
  const seen: string[] = [];
  config.registerHandler(async (items) => {
    assert.equal(++running, 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    running--;
    done++;
    seen.push(items.map(showService).join());
  });
  const sink = config.channel("one");
  const doneAtResolve: number[] = [];
  await Promise.all(["a", "b", "c"].map((name) => send(sink, "add", name).then(() => doneAtResolve.push(done))));
  assert.deepEqual(doneAtResolve, [1, 2, 3]);
  assert.deepEqual(seen, ["/a:80", "/a:80,/b:80", "/a:80,/b:80,/c:80"]);
});

test("config: a late handler is called once with the present union, unless replay is false (config 15)", async () => {
  const config = new ServiceConfig();
  const early = recorded(config);
  await send(config.channel("one"), "add", "foo");
  const [late, unwilling] = [recorded(config), new Recorder<Service>(showService)];
  config.registerHandler(unwilling, { replay: false });
  await send(config.channel("two"), "set");
  assert.deepEqual(early.calls, [["/foo:80"], ["/foo:80"]]);
  assert.deepEqual(late.calls, [["/foo:80"], ["/foo:80"]]);
  assert.deepEqual(unwilling.calls, [["/foo:80"]]);
});

test("config: a late handler is not called again with updates that its replay contained", async () => {
  const config = new ServiceConfig();
  const { opened, open } = gate();
  config.registerHandler(() => opened);
  const sent = send(config.channel("one"), "add", "foo");
  const late = recorded(config);
  open();
  await sent;
  await send(config.channel("one"), "add", "bar");
  assert.deepEqual(late.calls, [["/foo:80"], ["/bar:80", "/foo:80"]]);
});

test("config: a handler that was disposed of is not called any more, not even with pending updates (config 16)", async () => {
  const config = new ServiceConfig();
  const handler = new Recorder<Service>(showService);
  const registered = config.registerHandler(handler);
  const sent = send(config.channel("one"), "add", "foo");
  registered[Symbol.dispose]();
  await sent;
  await send(config.channel("one"), "add", "bar");
  assert.deepEqual(handler.calls, []);
});

test("config: config() is the union, bySource() its parts (config 17)", async () => {
  const config = new ServiceConfig();
  assert.deepEqual(config.config(), []);
  await send(config.channel("two"), "set", "b/b", "a");
  config.channel("one");
  await send(config.channel("one"), "set", "c");
  assert.deepEqual(config.config().map(showService), ["/a:80", "b/b:80", "/c:80"]);
  assert.deepEqual(
    [...config.bySource()].map(([source, items]) => [source, items.map(showService)]),
    [
      ["two", ["/a:80", "b/b:80"]],
      ["one", ["/c:80"]],
    ],
  );
});

test("config: keys are ordered by their bytes, not by their UTF-16 units", async () => {
  const config = new ServiceConfig();
  await send(config.channel("one"), "set", "\u{1F600}", "\uFF5E", "a");
  assert.deepEqual(
    config.config().map(({ metadata }) => metadata.name),
    ["a", "\uFF5E", "\u{1F600}"],
  );
});

test("config: objects are frozen copies of what was sent", async () => {
  const config = new ServiceConfig();
  const publicIPs = ["10.0.0.1"];
  await config
    .channel("one")
    .send({ op: "add", services: [{ ...service("foo"), spec: { ...service("foo").spec, publicIPs } }] });
  publicIPs.push("10.0.0.2");
  const [item] = config.config();
  assert.deepEqual(item?.spec.publicIPs, ["10.0.0.1"]);
  assert.ok(Object.isFrozen(item) && Object.isFrozen(item.metadata) && Object.isFrozen(item.spec.publicIPs));
});

test("config: a malformed update is refused, and changes nothing", async () => {
  const config = new ServiceConfig();
  const sink = config.channel("one");
  for (const bad of [
    undefined,
    { op: "set" },
    { op: "set", services: "foo" },
    { op: "set", services: [service("ok"), {}] },
    { op: "add", services: [{ metadata: { name: 1, namespace: "" } }] },
  ]) {
    await assert.rejects(sink.send(bad as unknown as ServiceUpdate), UsageError);
  }
  assert.deepEqual(config.config(), []);
});

test("config: a closed sink keeps its state, a new sink continues it, and only the last one can remove it", async () => {
  const config = new ServiceConfig();
  const first = config.channel("one");
  await send(first, "add", "foo");
  first.close();
  first.close();
  await assert.rejects(send(first, "add", "bar"), { code: "ERR_CLOSED" });
  const second = config.channel("one");
  assert.notEqual(second, first);
  await first.remove();
  assert.deepEqual(config.config().map(showService), ["/foo:80"]);
  const handler = new Recorder<Service>(showService);
  config.registerHandler(handler, { replay: false });
  await Promise.all([second.remove(), second.remove()]);
  assert.deepEqual(handler.calls, [[]]);
  assert.deepEqual([...config.bySource().keys()], []);
});

test("config: updates() yields the present union, then the latest, and ends with the config", async () => {
  const config = new ServiceConfig();
  const sink = config.channel("one");
  await send(sink, "add", "a");
  const updates = config.updates()[Symbol.asyncIterator]();
  const next = async (): Promise<readonly string[] | undefined> => {
    const result: IteratorResult<readonly Service[], undefined> = await updates.next();
    return result.done === true ? undefined : result.value.map(showService);
  };
  assert.deepEqual(await next(), ["/a:80"]);
  const waiting = next();
  await send(sink, "add", "b");
  assert.deepEqual(await waiting, ["/a:80", "/b:80"]);
  await send(sink, "add", "c");
  await send(sink, "add", "d");
  assert.deepEqual(await next(), ["/a:80", "/b:80", "/c:80", "/d:80"]);
  const ending = next();
  await config.close();
  assert.equal(await ending, undefined);
});

test("config: updates() throws the reason of its signal", async () => {
  const config = new ServiceConfig();
  const abort = new AbortController();
  const next = config.updates({ signal: abort.signal })[Symbol.asyncIterator]().next();
  const reason = new Error("enough");
  abort.abort(reason);
  assert.equal(await settled(next), reason);
});

test("config: close() waits for the handler that is being called; no other is called, no update is taken (config 47)", async () => {
  const config = new ServiceConfig();
  const { opened, open } = gate();
  const begun = gate();
  let ended = false;
  config.registerHandler(async () => {
    begun.open();
    await opened;
    ended = true;
  });
  const second = recorded(config);
  const sink = config.channel("one");
  const sent = settled(send(sink, "add", "foo"));
  await begun.opened;
  const closing = Promise.all([config.close(), config.close()]);
  await assert.rejects(send(sink, "add", "bar"), { code: "ERR_CLOSED" });
  open();
  await closing;
  assert.ok(ended);
  assert.equal(((await sent) as UsageError).code, "ERR_CLOSED");
  assert.deepEqual(second.calls, []);
  assert.throws(() => config.channel("two"), { code: "ERR_CLOSED" });
  assert.throws(() => config.registerHandler(() => undefined), { code: "ERR_CLOSED" });
  assert.equal(await config.closed, undefined);
  await sink.remove();
});

test("config: an aborted signal closes it (config 47)", async () => {
  const abort = new AbortController();
  const config = new ServiceConfig({ signal: abort.signal });
  abort.abort();
  assert.equal(await config.closed, undefined);
  assert.throws(() => config.channel("one"), { code: "ERR_CLOSED" });
  await using aborted = new ServiceConfig({ signal: AbortSignal.abort() });
  assert.equal(await aborted.closed, undefined);
});
