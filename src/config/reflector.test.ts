import assert from "node:assert/strict";
import test from "node:test";
import { noop } from "../util/deferred.js";
import { StalledWarning } from "../util/stalled-warning.js";
import { Reflector } from "./reflector.js";
import { service, showService } from "./test-kit/config-objects.js";
import { ScriptedLister, type Step } from "./test-kit/scripted-lister.js";
import type { Service } from "./types.js";

/** What a reflector sends while it follows a script to its end. */
async function sentBy(...steps: readonly Step<Service>[]): Promise<readonly string[]> {
  const source = new ScriptedLister<Service>(...steps);
  const sent: string[] = [];
  const ending = new AbortController();
  const reflector = new Reflector<Service>({
    name: "services",
    source,
    periodMs: 5,
    reconnectMs: 5,
    stalled: new StalledWarning({ owner: source, what: "this test", hint: "", isHeard: true }),
    send: (op, items) => sent.push([op, ...items.map(showService)].join(" ")),
    onFailure: noop,
  });
  const running = reflector.run(ending.signal);
  // one more: then the last step of the script has been taken in
  await source.askedTimes(steps.length + 1);
  ending.abort();
  await assert.rejects(running, { name: "AbortError" });
  return sent;
}

const cut: Step<Service> = { watch: [new Error("cut")] };

function list(version: string, ...names: readonly string[]): Step<Service> {
  return { list: { items: names.map(service), resourceVersion: version } };
}

test("reflector: a list that is older than what is known is skipped", async () => {
  const sent = await sentBy(list("5", "new"), cut, list("3", "old"), list("4", "old"), list("6", "newer"));
  assert.deepEqual(sent, ["set /new:80", "set /newer:80"]);
});

test("reflector: a list that is older than an event is skipped", async () => {
  const object = { ...service("b"), metadata: { name: "b", namespace: "", resourceVersion: "9" } };
  const sent = await sentBy(list("5", "a"), { watch: [{ type: "ADDED", object }, new Error("cut")] }, list("8", "a"));
  assert.deepEqual(sent, ["set /a:80", "add /b:80"]);
});

test("reflector: after three older lists in a row the server has started over (FF2)", async () => {
  const sent = await sentBy(list("5", "a"), cut, list("1", "b"), list("1", "b"), list("1", "b"));
  assert.deepEqual(sent, ["set /a:80", "set /b:80"]);
});

test("reflector: versions that are not numbers are not compared", async () => {
  const sent = await sentBy(list("z", "a"), cut, list("b", "b"));
  assert.deepEqual(sent, ["set /a:80", "set /b:80"]);
});
