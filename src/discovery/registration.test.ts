import assert from "node:assert/strict";
import test from "node:test";
import { rejectWhenAborted } from "../util/signals.js";
import { newHost } from "./host.js";
import { LiveRegistration, type RegistrationSink } from "./registration.js";

const host = newHost("web", { hostname: "h" }, "box");

interface Ground {
  readonly registration: LiveRegistration;
  readonly sink: () => RegistrationSink;
  readonly fail: (error: unknown) => void;
}

function ground(signal?: AbortSignal): Ground {
  let given: RegistrationSink | undefined;
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  const registration = new LiveRegistration({
    uuid: "u",
    host,
    signal,
    run: (sink, ending) => {
      given = sink;
      return Promise.race([failed, rejectWhenAborted(ending)]);
    },
  });
  return { registration, sink: () => given ?? assert.fail("it has not started"), fail };
}

test("registration: its work starts after the caller has the handle, and not at all after an abort", async () => {
  const { registration, sink } = ground();
  assert.throws(sink);
  await Promise.resolve();
  sink();
  await registration.close();
  const reason = new Error("not today");
  const never = ground(AbortSignal.abort(reason));
  await assert.rejects(never.registration.waitRegistration(), reason);
  assert.throws(never.sink);
  assert.equal(await never.registration.closed, undefined);
});

test("registration: the first credentials make it ready; changes of both kinds can be followed", async () => {
  const { registration, sink } = ground();
  const [states, pairs] = [registration.stateChanges(), registration.credentialChanges()];
  const waits = [registration.waitRegistration(), registration.waitRegistration({})];
  assert.throws(() => registration.credentials(), { code: "ERR_NOT_READY" });
  await Promise.resolve();
  sink().state("registered");
  sink().update({ user: "u", password: "p" });
  await Promise.all(waits);
  assert.ok(registration.ready());
  assert.deepEqual(registration.credentials(), { user: "u", password: "p" });
  assert.deepEqual(await pairs.next(), { done: false, value: { user: "u", password: "p" } });
  assert.deepEqual(await states.next(), { done: false, value: "registered" });
  await registration.stop();
  assert.deepEqual(await states.next(), { done: false, value: "closed" });
  assert.deepEqual(
    [await states.next(), await pairs.next()],
    [
      { done: true, value: undefined },
      { done: true, value: undefined },
    ],
  );
  assert.deepEqual([registration.ready(), registration.state], [false, "closed"]);
});

test("registration: an abort ends the wait and the iteration by throwing its reason", async () => {
  const { registration } = ground();
  const abort = new AbortController();
  const reason = new Error("enough");
  const waiting = registration.waitRegistration({ signal: abort.signal });
  const reading = registration.stateChanges({ signal: abort.signal }).next();
  abort.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(reading, reason);
  await registration.close();
});

test("registration: a failure of its work ends it, and rejects pending waits", async () => {
  const { registration, fail } = ground();
  const error = new Error("refused");
  const waiting = assert.rejects(registration.waitRegistration(), error);
  await Promise.resolve();
  fail(error);
  await waiting;
  assert.equal(await registration.closed, error);
  await registration.close();
});

test("registration: close before it is ready rejects pending waits; bad options are refused", async () => {
  const { registration } = ground();
  const waiting = assert.rejects(registration.waitRegistration(), {
    code: "ERR_CLOSED",
    message: 'the registration of "u" is closed',
  });
  await registration.close();
  await waiting;
  for (const options of [{ signal: 1 }, { timeout: 1 }])
    await assert.rejects(registration.waitRegistration(options as object), { code: "ERR_ARGUMENT" });
});
