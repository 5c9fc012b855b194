import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { untilAborted } from "../../util/signals.js";
import { test } from "../../test-kit/register.js";
import { gate } from "../../test-kit/scripted-cluster.js";
import { sleep, until } from "../../test-kit/waiting.js";
import type { LeaderSession } from "../lock.js";
import { newKey, participating, Terms, type LockBackend } from "./lock-ground.js";

/** How long a response takes, in ms, where a participation is ended at every moment of acquiring. */
const slowMs = 120;
/** No test waits this long for an expiry: a rival that leads earlier did not need one. In ms. */
const longMs = 60_000;

/** Faults that field tests found in elections, for every backend. `lockSuite` calls it. */
export function registerFaults(backend: LockBackend): void {
  const participate = participating(backend.config);
  const long = { ...backend.config, ttlMs: longMs, lockDelayMs: longMs };

  for (const [how, end] of [
    ["close()", (session: LeaderSession): Promise<unknown> => session.close()],
    ["an abort", undefined],
  ] as const) {
    test(backend.title(44, `${how} at any moment of acquiring lets a rival lead at once (FF3)`), async (t) => {
      const moments = Array.from({ length: 12 }, (_, i) => i * 40);
      await Promise.all(moments.map((ms) => endedAt(t, ms, end)));
    });
  }

  /** Ends a participation that many ms after it began, and lets a rival lead. */
  async function endedAt(
    t: TestContext,
    ms: number,
    end: ((session: LeaderSession) => Promise<unknown>) | undefined,
  ): Promise<void> {
    const key = newKey();
    const [a, b] = [await backend.contender(t), await backend.contender(t)];
    a.slow(slowMs);
    const stop = new AbortController();
    const reason = new Error("enough");
    const config = { ...long, key, contactInfo: "a" };
    const begin = a.candidate.participate(config, ({ signal }) => untilAborted(signal), { signal: stop.signal });
    const beginning = begin.then(
      (session) => session,
      (error: unknown) => {
        assert.equal(error, reason);
      },
    );
    await sleep(ms);
    if (end === undefined) stop.abort(reason);
    const session = await beginning;
    if (session !== undefined) await (end?.(session) ?? session.closed);
    assert.equal(session?.isLeader ?? false, false);
    const endedMs = performance.now();
    const rival = new Terms();
    const other = await participate(t, b, key, rival.asLeader, { ...long, contactInfo: "b" });
    const term = await rival.next();
    const tookMs = term.begunMs - endedMs;
    assert.ok(tookMs < longMs / 2, `ended after ${String(ms)} ms: the rival leads ${String(tookMs)} ms later`);
    // nothing comes late
    await sleep(slowMs * 2);
    assert.equal(await other.current(), "b");
    term.end();
    await other.close();
  }

  test(backend.title(44, "if a callback throws synchronously, a rival leads at once (FF3)"), async (t) => {
    const key = newKey();
    const [a, b] = [await backend.contender(t), await backend.contender(t)];
    a.slow(slowMs);
    let calls = 0;
    await participate(
      t,
      a,
      key,
      () => {
        calls++;
        throw new Error("boom");
      },
      { ...long, cooldownMs: longMs },
    );
    const rival = new Terms();
    await until("it was called", () => calls === 1);
    const calledMs = performance.now();
    await participate(t, b, key, rival.asLeader, long);
    const term = await rival.next();
    assert.ok(term.begunMs - calledMs < longMs / 2, `${String(term.begunMs - calledMs)} ms`);
    term.end();
  });

  test(backend.title(34, "run() calls work that throws at once only once, and releases the lock (FF21)"), async (t) => {
    const config = { ...long, key: newKey(), contactInfo: "a" };
    const [a, b] = [await backend.contender(t), await backend.contender(t)];
    let calls = 0;
    const running = a.candidate.run(config, () => {
      calls++;
      throw new Error("boom");
    });
    await assert.rejects(running, /^Error: boom$/);
    assert.equal(calls, 1);
    const sentMs = performance.now();
    await b.candidate.run(config, () => undefined);
    assert.ok(performance.now() - sentMs < longMs / 2);
    assert.equal(calls, 1);
  });

  test(
    backend.title(
      45,
      "run() rejects with the reason of an abort once its work has settled and the lock is free (FF22)",
    ),
    async (t) => {
      const key = newKey();
      const [a, b] = [await backend.contender(t), await backend.contender(t)];
      const reason = new Error("enough");
      for (const outcome of ["returns", "throws"] as const) {
        const stop = new AbortController();
        const goOn = gate();
        const begun = gate();
        const running = a.candidate.run(
          { ...long, key, contactInfo: "a" },
          async (signal) => {
            begun.open();
            await untilAborted(signal);
            await goOn.opened;
            if (outcome === "throws") throw new Error("interrupted");
            return "half done";
          },
          { signal: stop.signal },
        );
        let settled = false;
        const ended = assert.rejects(running, (error) => error === reason).then(() => (settled = true));
        await begun.opened;
        stop.abort(reason);
        // longer than the lock is kept for it
        await sleep(backend.config.stepDownTimeoutMs + 200);
        assert.equal(settled, false, "not before work has settled");
        goOn.open();
        await ended;
        assert.equal(await b.candidate.run({ ...long, key, contactInfo: "b" }, () => "done"), "done");
      }
    },
  );

  test(backend.title(40, "run() rejects if the lock was lost before its work returned (FF22)"), async (t) => {
    const key = newKey();
    const a = await backend.contender(t);
    const running = a.candidate.run({ ...backend.config, key, contactInfo: "" }, async (signal) => {
      a.cut("refuse");
      await untilAborted(signal);
      return "half done";
    });
    await assert.rejects(running, { name: "ElectionError", code: "ERR_EXPIRED" });
  });
}
