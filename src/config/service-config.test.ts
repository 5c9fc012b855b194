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

test("config 1: an added service is handed to the handler", async () => {
  const config = new ServiceConfig();
  const handler = recorded(config);
  await send(config.channel("one"), "add", "foo:10");
  assert.deepEqual(handler.calls, [["/foo:10"]]);
});

test("config 2: add, remove and set, one call each", async () => {
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

test("config 3: two sources make a union", async () => {
  const config = new ServiceConfig();
  const handler = recorded(config);
  await send(config.channel("one"), "add", "foo:10");
  await send(config.channel("two"), "add", "bar:20");
  assert.equal(handler.calls.length, 2);
  assert.deepEqual([...(handler.last ?? [])].sort(), ["/bar:20", "/foo:10"]);
});

test("config 4: a source has one sink", () => {
  const config = new ServiceConfig();
  assert.equal(config.channel("one"), config.channel("one"));
  assert.notEqual(config.channel("one"), config.channel("two"));
  assert.equal(config.channel("one").source, "one");
});

test("config 5: a source has a name", () => {
  assert.throws(() => new ServiceConfig().channel(""), UsageError);
});

test("config 6: two handlers, in order, each with an array of its own", async () => {
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

test("config 8: an empty set empties only its source", async () => {
  const config = new ServiceConfig();
  const [one, two] = [config.channel("one"), config.channel("two")];
  await send(one, "add", "foo");
  await send(two, "add", "bar");
  const handler = new Recorder<Service>(showService);
  config.registerHandler(handler, { replay: false });
  await send(one, "set");
  assert.deepEqual(handler.calls, [["/bar:80"]]);
});

test("config 9: the same key in two sources is there twice, and each takes away only its own", async () => {
  const config = new ServiceConfig();
  await send(config.channel("one"), "add", "foo:1");
  await send(config.channel("two"), "add", "foo:2");
  assert.deepEqual(config.config().map(showService), ["/foo:1", "/foo:2"]);
  await send(config.channel("one"), "remove", "foo");
  assert.deepEqual(config.config().map(showService), ["/foo:2"]);
});

test("config 10: an add that changes nothing is a call all the same", async () => {
  const config = new ServiceConfig();
  const handler = recorded(config);
  await send(config.channel("one"), "add", "foo:1");
  await send(config.channel("one"), "add", "foo:1");
  assert.deepEqual(handler.calls, [["/foo:1"], ["/foo:1"]]);
});

test("config 11: an unknown operation is a TypeError, and no call", async () => {
  const config = new ServiceConfig();
  const handler = recorded(config);
  const bogus: unknown = { op: "bogus", services: [service("foo")] };
  await assert.rejects(config.channel("one").send(bogus as ServiceUpdate), TypeError);
  assert.deepEqual(handler.calls, []);
  assert.deepEqual(config.config(), []);
});

test("config 12: services of one name in two namespaces are two", async () => {
  const config = new ServiceConfig();
  const sink = config.channel("one");
  await send(sink, "add", "a/web:1", "b/web:2");
  assert.deepEqual(config.config().map(showService), ["a/web:1", "b/web:2"]);
  await send(sink, "remove", "a/web");
  assert.deepEqual(config.config().map(showService), ["b/web:2"]);
});

test("config 13: a handler that throws stops neither the others nor later updates", async () => {
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

test("a handler that rejects, and an onError that throws, stop nothing either", async () => {
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

test("config 14: calls of a slow handler do not overlap, and send resolves after its call", async () => {
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

test("config 15: a late handler is called once with what is there, unless it does not want that", async () => {
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

test("a late handler is not called with updates that it was told of already", async () => {
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

test("config 16: a handler that was disposed of is not called, even with what is on its way", async () => {
  const config = new ServiceConfig();
  const handler = new Recorder<Service>(showService);
  const registered = config.registerHandler(handler);
  const sent = send(config.channel("one"), "add", "foo");
  registered[Symbol.dispose]();
  await sent;
  await send(config.channel("one"), "add", "bar");
  assert.deepEqual(handler.calls, []);
});

test("config 17: config() is the union, bySource() its parts", async () => {
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

test("keys are ordered by their bytes, not by their UTF-16 units", async () => {
  const config = new ServiceConfig();
  await send(config.channel("one"), "set", "\u{1F600}", "\uFF5E", "a");
  assert.deepEqual(
    config.config().map(({ metadata }) => metadata.name),
    ["a", "\uFF5E", "\u{1F600}"],
  );
});

test("what is handed out is frozen, and what was sent may be changed later", async () => {
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

test("a malformed update is refused before anything is changed", async () => {
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

test("a closed sink keeps its state, a new one goes on with it, and only the last may take it away", async () => {
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

test("updates() gives what is there, then the latest, and ends with the config", async () => {
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

test("updates() rejects with the reason of its signal", async () => {
  const config = new ServiceConfig();
  const abort = new AbortController();
  const next = config.updates({ signal: abort.signal })[Symbol.asyncIterator]().next();
  const reason = new Error("enough");
  abort.abort(reason);
  assert.equal(await settled(next), reason);
});

test("config 47: a closed config waits for the handler that is being called, calls no other, and takes nothing more", async () => {
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

test("config 47: an aborted signal closes a config", async () => {
  const abort = new AbortController();
  const config = new ServiceConfig({ signal: abort.signal });
  abort.abort();
  assert.equal(await config.closed, undefined);
  assert.throws(() => config.channel("one"), { code: "ERR_CLOSED" });
  await using aborted = new ServiceConfig({ signal: AbortSignal.abort() });
  assert.equal(await aborted.closed, undefined);
});
