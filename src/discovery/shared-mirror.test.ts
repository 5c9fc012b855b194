import assert from "node:assert/strict";
import test from "node:test";
import { Client, EtcdError, KeysAPI } from "../core/index.js";
import { noop } from "../util/deferred.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { patience, until } from "../test-kit/waiting.js";
import { createFakeEtcd } from "../testing/index.js";
import { unauthorized } from "../testing/test-kit/fakes.js";
import { SharedMirror, type Subscriber } from "./shared-mirror.js";

const dir = "/services/web";

class Seen implements Subscriber {
  readonly log: string[] = [];
  error: unknown;

  update: Subscriber["update"] = ({ kind, changes }) => {
    this.log.push([kind, ...changes.map(({ node }) => node.value)].join(" "));
  };

  fail: Subscriber["fail"] = (error) => {
    this.error = error;
  };
}

interface Ground extends AsyncDisposable {
  readonly etcd: ReturnType<typeof createFakeEtcd>;
  readonly mirror: SharedMirror;
  readonly ends: () => number;
}

function ground(): Ground {
  const etcd = createFakeEtcd({ keys: { [`${dir}/1`]: "a" } });
  const client = new Client({ endpoints: etcd.endpoints, transport: etcd.transport });
  let ends = 0;
  const mirror = new SharedMirror({
    keys: new KeysAPI(client),
    dir,
    onError: noop,
    onEnd: () => ends++,
    stalled: new StalledWarning({ owner: client, what: "this test", hint: "", isHeard: true }),
  });
  return {
    etcd,
    mirror,
    ends: () => ends,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await etcd.close();
    },
  };
}

test("shared mirror: subscribers share one list and one poll, until the last one leaves", async () => {
  await using at = ground();
  const [first, second] = [new Seen(), new Seen()];
  assert.equal(at.mirror.listed, false);
  at.mirror.join(first);
  at.mirror.join(second);
  await at.etcd.untilWatched(dir);
  at.etcd.load({ [`${dir}/2`]: "b" });
  await until("the event", () => second.log.length === 2);
  assert.deepEqual([first.log, second.log, at.mirror.listed], [["list a", "event b"], ["list a", "event b"], true]);
  await at.mirror.leave(first);
  at.etcd.load({ [`${dir}/3`]: "c" });
  await until("the next event", () => second.log.length === 3);
  assert.deepEqual([first.log.length, at.ends()], [2, 0]);
  await at.mirror.leave(second);
  assert.equal(at.ends(), 1);
  assert.equal(at.etcd.requests.filter(({ query }) => query["wait"] !== "true").length, 1);
});

test("shared mirror: a subscriber's own list is read while the poll waits", async () => {
  await using at = ground();
  const { kind, changes } = await at.mirror.list(patience());
  assert.deepEqual([kind, changes.map(({ node }) => node.value)], ["list", ["a"]]);
  assert.equal(at.mirror.listed, false);
});

test("shared mirror: a refusal by etcd ends it for all subscribers", async () => {
  await using at = ground();
  at.etcd.fail({}, unauthorized);
  const subscribers = [new Seen(), new Seen()];
  for (const subscriber of subscribers) at.mirror.join(subscriber);
  await until("both have the error", () => subscribers.every(({ error }) => error instanceof EtcdError));
  assert.equal(at.ends(), 1);
  for (const subscriber of subscribers) await at.mirror.leave(subscriber);
});
