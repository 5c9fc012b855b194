import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { ClusterError, EndpointError, UsageError } from "../util/errors.js";
import { endpoints, service, showEndpoints, showService } from "./test-kit/config-objects.js";
import { ScriptedLister, type Step } from "./test-kit/scripted-lister.js";
import {
  SourceAPI,
  type Endpoints,
  type EndpointsUpdate,
  type Service,
  type ServiceUpdate,
  type SourceAPIOptions,
  type UpdateSink,
  type WatchEvent,
} from "./index.js";

class Sink<U> implements UpdateSink<U> {
  readonly source = "api";
  readonly sent: string[] = [];
  readonly #show: (update: U) => string;

  constructor(show: (update: U) => string) {
    this.#show = show;
  }

  send = (update: U): Promise<void> => {
    this.sent.push(this.#show(update));
    return Promise.resolve();
  };

  close(): void {
    // not called here
  }

  remove(): Promise<void> {
    return Promise.resolve();
  }
}

interface Running {
  readonly source: SourceAPI;
  readonly services: ScriptedLister<Service>;
  readonly sent: readonly string[];
  readonly sentEndpoints: readonly string[];
}

function run(t: TestContext, services: ScriptedLister<Service>, options: Partial<SourceAPIOptions> = {}): Running {
  const serviceSink = new Sink<ServiceUpdate>(({ op, services: items }) => [op, ...items.map(showService)].join(" "));
  const endpointsSink = new Sink<EndpointsUpdate>(({ op, endpoints: items }) =>
    [op, ...items.map(showEndpoints)].join(" "),
  );
  const source = new SourceAPI({
    services,
    endpoints: new ScriptedLister<Endpoints>({ list: { items: [], resourceVersion: "1" } }),
    periodMs: 30,
    reconnectMs: 10,
    serviceSink,
    endpointsSink,
    ...options,
  });
  t.after(() => source.close());
  return { source, services, sent: serviceSink.sent, sentEndpoints: endpointsSink.sent };
}

function versioned(text: string, resourceVersion: string): Service {
  const object = service(text);
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}

const emptyAt1: Step<Service> = { list: { items: [], resourceVersion: "1" } };

function failure(fields: { readonly name?: string; readonly code?: string; readonly message?: string } = {}): Error {
  return Object.assign(new Error("failed"), fields);
}

test("source API: after the end of a stream it watches from the last version, without a list (config 40)", async (t) => {
  const services = new ScriptedLister<Service>(emptyAt1, {
    watch: [
      { type: "ADDED", object: versioned("bar:80", "2") },
      { type: "DELETED", object: versioned("bar:80", "2") },
    ],
  });
  const { sent } = run(t, services);
  await services.askedTimes(3);
  assert.deepEqual(services.asked, ["list", "watch 1", "watch 2"]);
  assert.deepEqual(sent, ["set", "add /bar:80", "remove /bar:80"]);
});

test("source API: without a version it lists, sends everything, and watches from the list's version (config 41)", async (t) => {
  const services = new ScriptedLister<Service>({ list: { items: [service("bar:80")], resourceVersion: "2" } });
  const { source, sent } = run(t, services);
  await services.askedTimes(2);
  await source.synced;
  assert.deepEqual(services.asked, ["list", "watch 2"]);
  assert.deepEqual(sent, ["set /bar:80"]);
});

test("source API: after a failed watch it lists again, and sends only a difference (config 42)", async (t) => {
  const services = new ScriptedLister<Service>(
    emptyAt1,
    { watch: [{ type: "MODIFIED", object: versioned("bar:80", "2") }, failure()] },
    { list: { items: [versioned("bar:80", "2")], resourceVersion: "5" } },
    { watch: [failure()] },
    { list: { items: [], resourceVersion: "6" } },
  );
  const { sent } = run(t, services);
  await services.askedTimes(6);
  assert.deepEqual(services.asked, ["list", "watch 1", "list", "watch 5", "list", "watch 6"]);
  assert.deepEqual(sent, ["set", "add /bar:80", "set"]);
});

const timeouts: Readonly<Record<string, Error>> = {
  "a DOMException": new DOMException("signal timed out", "TimeoutError"),
  "a socket": failure({ code: "ETIMEDOUT" }),
  "a closed connection": failure({ message: "read tcp 127.0.0.1: use of closed network connection" }),
  "all endpoints": new ClusterError("ERR_CLUSTER_UNAVAILABLE", [
    new EndpointError("ERR_HEADER_TIMEOUT", "silence", { endpoint: "http://a", outcome: "notApplied" }),
  ]),
};
for (const [what, error] of Object.entries(timeouts)) {
  test(`source API: after a timeout it watches from the same version: ${what} (config 43)`, async (t) => {
    const services = new ScriptedLister<Service>(emptyAt1, { watch: [error] });
    run(t, services);
    await services.askedTimes(3);
    assert.deepEqual(services.asked, ["list", "watch 1", "watch 1"]);
  });
}

test("source API: a failed list is neither an update nor a watch, and is tried again after the period (config 44)", async (t) => {
  const services = new ScriptedLister<Service>({ list: failure() }, { list: failure() }, emptyAt1);
  const warnings: string[] = [];
  const { sent } = run(t, services, { onWarning: ({ message }) => warnings.push(message) });
  await services.askedTimes(2);
  assert.deepEqual(sent, []);
  await services.askedTimes(4);
  assert.deepEqual(services.asked, ["list", "list", "list", "watch 1"]);
  assert.deepEqual(sent, ["set"]);
  assert.equal(warnings.length, 2);
  const [first = 0, second = 0, third = 0] = services.at;
  assert.ok(second - first >= 29 && third - second >= 29, `listed at ${services.at.join()}`);
});

test("source API: after an error event, an unknown type, or a status in place of an object it lists again (config 45)", async (t) => {
  const bad: readonly unknown[] = [
    { type: "ERROR", status: { code: 410, message: "gone" } },
    { type: "BOOKMARK", object: service("bar") },
    { type: "MODIFIED", object: { kind: "Status", metadata: {}, message: "gone" } },
  ];
  for (const event of bad) {
    const services: ScriptedLister<Service> = new ScriptedLister<Service>(
      emptyAt1,
      { watch: [event as WatchEvent<Service>] },
      { list: { items: [service("bar:80")], resourceVersion: "7" } },
    );
    const { source, sent } = run(t, services);
    await services.askedTimes(4);
    assert.deepEqual(services.asked, ["list", "watch 1", "list", "watch 7"]);
    assert.deepEqual(sent, ["set", "set /bar:80"]);
    await source.close();
  }
});

test("source API: an event without an object ends the stream, and the version is kept", async (t) => {
  const services = new ScriptedLister<Service>(emptyAt1, {
    watch: [{ type: "ADDED" } as unknown as WatchEvent<Service>],
  });
  run(t, services);
  await services.askedTimes(3);
  assert.deepEqual(services.asked, ["list", "watch 1", "watch 1"]);
});

test("source API: an object without a version is sent, and a list follows", async (t) => {
  const services = new ScriptedLister<Service>(
    emptyAt1,
    { watch: [{ type: "ADDED", object: service("bar:80") }, "hang"] },
    { list: { items: [service("bar:80")], resourceVersion: "3" } },
  );
  const { sent } = run(t, services);
  await services.askedTimes(4);
  assert.deepEqual(services.asked, ["list", "watch 1", "list", "watch 3"]);
  assert.deepEqual(sent, ["set", "add /bar:80"]);
});

test("source API: a stream that delivered something is opened again at once, others after a pause", async (t) => {
  const quick = new ScriptedLister<Service>(emptyAt1, { watch: [{ type: "ADDED", object: versioned("bar", "2") }] });
  run(t, quick, { periodMs: 60_000, reconnectMs: 60_000 });
  await quick.askedTimes(3);
  const slow = new ScriptedLister<Service>(emptyAt1, { watch: [] }, { watch: [] });
  run(t, slow, { periodMs: 60_000, reconnectMs: 40 });
  await slow.askedTimes(4);
  const [, first = 0, second = 0, third = 0] = slow.at;
  assert.ok(second - first >= 19 && third - second >= 39, `watched at ${slow.at.join()}`);
});

test("source API: while services fail, endpoints go on (config 46)", async (t) => {
  const services = new ScriptedLister<Service>(...Array.from({ length: 1_000 }, () => ({ list: failure() })));
  const foo = { ...endpoints("foo 1.1.1.1:80"), metadata: { name: "foo", namespace: "", resourceVersion: "2" } };
  const endpointsApi = new ScriptedLister<Endpoints>(
    { list: { items: [], resourceVersion: "1" } },
    { watch: [{ type: "ADDED", object: foo }] },
    { watch: ["hang"] },
  );
  const { source, sent, sentEndpoints } = run(t, services, { endpoints: endpointsApi, periodMs: 5 });
  await endpointsApi.askedTimes(3);
  await services.askedTimes(3);
  assert.deepEqual(sentEndpoints, ["set", "add /foo 1.1.1.1:80"]);
  assert.deepEqual(sent, []);
  const unsynced = assert.rejects(source.synced, { code: "ERR_CLOSED" });
  await source.close();
  await unsynced;
});

test("source API: close() ends it although its API hangs, and sends no more requests (config 47)", async (t) => {
  const services = new ScriptedLister<Service>(emptyAt1, { watch: ["hang"] });
  const { source } = run(t, services);
  await services.askedTimes(2);
  await Promise.all([source.close(), source.close()]);
  assert.equal(await source.closed, undefined);
  assert.equal(services.asked.length, 2);
  const never = new ScriptedLister<Service>(emptyAt1);
  const reason = new Error("not today");
  const aborted = run(t, never, { signal: AbortSignal.abort(reason) }).source;
  assert.equal(await aborted.closed, undefined);
  await assert.rejects(aborted.synced, reason);
  assert.deepEqual(never.asked, []);
});

test("source API: a closed sink ends the source with its error", async (t) => {
  const error = new UsageError("ERR_CLOSED", "closed");
  const { source } = run(t, new ScriptedLister<Service>(emptyAt1), {
    serviceSink: {
      source: "api",
      send: () => Promise.reject(error),
      close: () => undefined,
      remove: () => Promise.resolve(),
    },
  });
  assert.equal(await source.closed, error);
  await assert.rejects(source.synced, error);
});

test("source API: a warning handler that throws does not end the source", async (t) => {
  const warnings: string[] = [];
  t.mock.method(process, "emitWarning", (text: string) => warnings.push(text));
  const services = new ScriptedLister<Service>({ list: failure() }, emptyAt1);
  const { source } = run(t, services, {
    onWarning: () => {
      throw new Error("enough");
    },
  });
  await source.synced;
  assert.ok(warnings.includes("options.onWarning threw: enough"), warnings.join());
});

test("source API: bad options are refused, and so are missing ones (FF48)", () => {
  for (const bad of [undefined, null, {}, { periodMs: 0 }, { nonsense: 1 }]) {
    assert.throws(() => new SourceAPI(bad as unknown as SourceAPIOptions), { code: "ERR_ARGUMENT" });
  }
});
