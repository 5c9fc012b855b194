import assert from "node:assert/strict";
import { untilAborted } from "../../util/signals.js";
import { assertCode, newKey, participating, Stalls, Terms, type LockBackend } from "./lock-ground.js";
import { registerFaults } from "./lock-faults-suite.js";
import { after, before, describe, test } from "../../test-kit/register.js";
import { gate } from "../../test-kit/scripted-cluster.js";
import { sleep, toleranceMs, until } from "../../test-kit/waiting.js";

/** The cooldown of the candidate that is to leave the lead to the other one, in ms. */
const longCooldownMs = 5_000;
/** No test waits this long for an expiry, in ms. */
const longTtlMs = 60_000;

/** The tests of elections that every backend passes. The numbers are those of docs/spec/consul.md, section 4. */
export function lockSuite(name: string, backend: LockBackend): void {
  const { ttlMs, lockDelayMs, cooldownMs, stepDownTimeoutMs, marginMs } = backend.config;
  /** How long it may take until there is a new leader after one was lost without a release, in ms. */
  const successionMs = ttlMs + lockDelayMs + backend.expiryLatenessMs + 2_000 + toleranceMs();
  const title = (number: number, text: string): string => backend.title(number, text);
  const participate = participating(backend.config);

  describe(name, { concurrency: backend.concurrency ?? false }, () => {
    before(() => backend.start());
    after(() => backend.stop());

    test(title(33, "of two candidates at most one leads at any time, however often they abdicate"), async (t) => {
      const key = newKey();
      let running = 0;
      const terms = [0, 0];
      const sessions = await Promise.all(
        [0, 1].map(async (i) =>
          participate(t, await backend.contender(t), key, async ({ signal }) => {
            running++;
            assert.equal(running, 1, "two callbacks run");
            terms[i] = (terms[i] ?? 0) + 1;
            await untilAborted(signal);
            running--;
          }),
        ),
      );
      const end = performance.now() + backend.manyTermsMs;
      const bothHaveLed = (): boolean => terms.every((count) => count > 1);
      while (performance.now() < end || (!bothHaveLed() && performance.now() < end + 60_000)) {
        await sleep(Math.random() * 200);
        await Promise.all(sessions.filter(() => Math.random() < 0.7).map((session) => session.abdicate()));
      }
      await Promise.all(sessions.map((session) => session.close()));
      assert.equal(running, 0);
      assert.ok(bothHaveLed(), `each has led more than once: ${terms.join(", ")}`);
    });

    test(
      title(34, "a callback that returns releases the lock to the other candidate, and its own waits for the cooldown"),
      async (t) => {
        const key = newKey();
        const [a, b] = [await backend.contender(t), await backend.contender(t)];
        const first = new Terms();
        const second = new Terms();
        await participate(t, a, key, first.asLeader, { cooldownMs: longCooldownMs, ttlMs: longTtlMs });
        const term = await first.next();
        const rival = await participate(t, b, key, second.asLeader, { ttlMs: longTtlMs });
        const endedMs = performance.now();
        term.end();
        const other = await second.next();
        assert.equal(a.releases().answered, 1);
        assert.ok(term.signal.aborted);
        assertCode(term.signal.reason, "ERR_FINISHED");
        const tookMs = performance.now() - endedMs;
        assert.ok(tookMs < longTtlMs / 2, `a release needs no expiry: ${String(tookMs)} ms`);
        other.end();
        await rival.close();
        const again = await first.next();
        assert.ok(again.begunMs - endedMs >= longCooldownMs, "no earlier than after the cooldown");
      },
    );

    test(title(35, "a callback that rejects at once is called again with growing pauses"), async (t) => {
      const session = await backend.contender(t);
      const begunMs: number[] = [];
      const fourth = gate();
      const handle = await participate(t, session, newKey(), () => {
        begunMs.push(performance.now());
        if (begunMs.length === 4) fourth.open();
        return Promise.reject(new Error("out of luck"));
      });
      const errors: string[] = [];
      const reading = (async () => {
        for await (const { type, error } of handle.changes()) if (type === "error") errors.push(error?.message ?? "");
      })();
      await fourth.opened;
      const pauses = begunMs.slice(1).map((ms, i) => ms - (begunMs[i] ?? 0));
      pauses.forEach((ms, i) => {
        const least = cooldownMs * 2 ** i;
        assert.ok(ms >= least - 2, `pause ${String(i)} lasts at least ${String(least)} ms, not ${String(ms)}`);
      });
      await handle.close();
      await reading;
      assert.ok(errors.includes("out of luck"));
      assert.equal(await handle.closed, undefined);
    });

    test(
      title(36, "abdicate() of a leader aborts its signal before the release, and the other candidate wins"),
      async (t) => {
        const key = newKey();
        const [a, b] = [await backend.contender(t), await backend.contender(t)];
        const first = new Terms();
        const second = new Terms();
        const session = await participate(t, a, key, first.asLeader, {
          contactInfo: "http://h/?a=1&b=<2>",
          cooldownMs: longCooldownMs,
        });
        const term = await first.next();
        await participate(t, b, key, second.asLeader, { contactInfo: "b" });
        assert.ok(session.isLeader);
        assert.equal(await session.current(), "http://h/?a=1&b=<2>");
        assert.equal((await session.currentEntry())?.sessionId, session.sessionId);
        let sentAtAbort = -1;
        term.signal.addEventListener("abort", () => (sentAtAbort = a.releases().sent));
        const abdicating = session.abdicate();
        assert.equal(session.isLeader, false);
        assert.ok(term.signal.aborted);
        assertCode(term.signal.reason, "ERR_RESIGNED");
        term.end();
        const done = await abdicating;
        const { sent, answered } = a.releases();
        assert.deepEqual([sentAtAbort, sent, done], [0, 1, answered === 1]);
        await second.next();
        assert.equal(a.releases().answered, 1);
        assert.equal(await session.current(), "b");
      },
    );

    test(
      title(37, "abdicate() of a candidate that does not lead resolves to false and releases nothing"),
      async (t) => {
        const key = newKey();
        const [a, b] = [await backend.contender(t), await backend.contender(t)];
        const first = new Terms();
        await participate(t, a, key, first.asLeader);
        const term = await first.next();
        const waiting = await participate(t, b, key, () => assert.fail("must not lead"));
        assert.equal(await waiting.abdicate(), false);
        assert.equal(waiting.isLeader, false);
        assert.equal(b.releases().sent, 0);
        assert.ok(!term.signal.aborted);
        await waiting.close();
      },
    );

    test(
      title(38, "a session that ends at the server aborts the signal within a second, and a new one contests"),
      async (t) => {
        const key = newKey();
        const terms = new Terms();
        const session = await participate(t, await backend.contender(t), key, terms.asLeader);
        const tookMs: number[] = [];
        // a busy machine may be late once, but not each time
        while (tookMs.length < 5 && Math.min(...tookMs) > 1_000) {
          const term = await terms.next();
          const id = session.sessionId ?? assert.fail("there is a session");
          await backend.endSession(key, id);
          const endedMs = performance.now();
          await untilAborted(term.signal);
          tookMs.push(performance.now() - endedMs);
          assertCode(term.signal.reason, "ERR_LOST");
          term.end();
          await until("a new session contests", () => session.sessionId !== undefined && session.sessionId !== id);
        }
        assert.ok(Math.min(...tookMs) <= 1_000, `aborted after ${tookMs.join(", ")} ms`);
        await terms.next();
      },
    );

    test(title(39, "a short outage does not end the leadership"), async (t) => {
      const contender = await backend.contender(t);
      const terms = new Terms();
      // twice as long, for the tries that follow the outage
      const session = await participate(t, contender, newKey(), terms.asLeader, { ttlMs: ttlMs * 2 });
      const term = await terms.next();
      contender.cut("refuse");
      await sleep(ttlMs);
      contender.heal();
      const healedMs = performance.now();
      await until("a beat got through", () => contender.lastGoodBeatMs() > healedMs);
      assert.ok(!term.signal.aborted);
      assert.ok(session.isLeader);
    });

    for (const how of ["refuse", "hang"] as const) {
      test(
        title(
          40,
          `a server that cannot be reached (${how}) aborts the signal before the TTL, and another candidate leads after it`,
        ),
        async (t) => {
          const key = newKey();
          const [a, b] = [await backend.contender(t), await backend.contender(t)];
          const first = new Terms();
          const second = new Terms();
          const session = await participate(t, a, key, first.asLeader);
          const term = await first.next();
          await participate(t, b, key, second.asLeader);
          using stalls = new Stalls();
          a.cut(how);
          const cutMs = performance.now();
          const abortedMs = await untilAborted(term.signal).then(() => performance.now());
          const afterMs = abortedMs - a.lastGoodBeatMs();
          assert.ok(
            afterMs - stalls.worstMs <= ttlMs,
            `aborted ${String(afterMs)} ms after the last good beat was sent`,
          );
          // a heartbeat may seem to be sent an eighth of the TTL late; a leader that stops too early is early by a
          // whole one, a third or more
          assert.ok(afterMs >= ttlMs - marginMs - ttlMs / 8, `and not earlier than needed: ${String(afterMs)} ms`);
          assert.equal(session.isLeader, false);
          assertCode(term.signal.reason, "ERR_EXPIRED");
          term.end();
          const next = await second.next();
          assert.ok(next.begunMs >= abortedMs, "one term ends before the next begins");
          assert.ok(next.begunMs - cutMs <= successionMs, `a new leader after ${String(next.begunMs - cutMs)} ms`);
        },
      );
    }

    test(title(44, "close() of a leader aborts, releases and leaves nothing open; it is idempotent"), async (t) => {
      const key = newKey();
      const [a, b] = [await backend.contender(t), await backend.contender(t)];
      const first = new Terms();
      const session = await participate(t, a, key, first.asLeader);
      const term = await first.next();
      const id = session.sessionId;
      const other = await participate(t, b, key, new Terms().asLeader);
      const closing = [session.close(), session.close(), session[Symbol.asyncDispose]()];
      assert.ok(term.signal.aborted);
      assert.equal(a.releases().sent, 0);
      term.end();
      await Promise.all(closing);
      assert.equal(a.releases().answered, 1);
      assert.equal(a.pending(), 0);
      assert.equal(session.isLeader, false);
      assert.equal(session.sessionId, undefined);
      assert.equal(await session.closed, undefined);
      assert.notEqual((await other.currentEntry())?.sessionId, id);
    });

    test(title(45, "an abort rejects a participate() in progress, and closes a session"), async (t) => {
      const contender = await backend.contender(t);
      const reason = new Error("enough");
      const config = { ...backend.config, key: newKey(), contactInfo: "" };
      const never = (): never => assert.fail("must not lead");
      await assert.rejects(
        contender.candidate.participate(config, never, { signal: AbortSignal.abort(reason) }),
        (error) => error === reason,
      );
      const early = new AbortController();
      const beginning = contender.candidate.participate(config, never, { signal: early.signal });
      early.abort(reason);
      await assert.rejects(beginning, (error) => error === reason);
      await until("nothing waits for a response", () => contender.pending() === 0);
      const late = new AbortController();
      const terms = new Terms();
      const session = await contender.candidate.participate(config, terms.asLeader, { signal: late.signal });
      const term = await terms.next();
      late.abort(reason);
      assert.equal(term.signal.reason, reason);
      term.end();
      assert.equal(await session.closed, undefined);
      assert.equal(contender.pending(), 0);
    });

    test(
      title(47, "if a callback ignores its signal, the lock is released in time, and the next call waits for its end"),
      async (t) => {
        const key = newKey();
        const [a, b] = [await backend.contender(t), await backend.contender(t)];
        const first = new Terms();
        const second = new Terms();
        const session = await participate(t, a, key, first.asLeader);
        const term = await first.next();
        const other = await participate(t, b, key, second.asLeader);
        const begunMs = performance.now();
        await session.abdicate();
        const tookMs = performance.now() - begunMs;
        assert.ok(tookMs >= stepDownTimeoutMs - 2, `released after ${String(tookMs)} ms`);
        (await second.next()).end();
        await sleep(cooldownMs * 2);
        assert.equal(first.running, 1, "the first callback still runs");
        term.end();
        // otherwise either of them could come first
        await other.close();
        await first.next();
      },
    );

    test(title(48, "the fencing token grows with every leader"), async (t) => {
      const key = newKey();
      const terms = new Terms();
      for (let i = 0; i < 3; i++) await participate(t, await backend.contender(t), key, terms.asLeader);
      let last = 0;
      for (let i = 0; i < 6; i++) {
        const term = await terms.next();
        assert.ok(Number(term.fencingToken) > last, `${term.fencingToken} comes after ${String(last)}`);
        last = Number(term.fencingToken);
        term.end();
      }
    });

    test(title(34, "run() calls its work once, as the leader, then releases the lock"), async (t) => {
      const key = newKey();
      const [a, b] = [await backend.contender(t), await backend.contender(t)];
      const config = { ...backend.config, key, contactInfo: "a" };
      const begun = gate();
      const goOn = gate();
      const running = a.candidate.run(config, async (signal, { fencingToken }) => {
        begun.open();
        await goOn.opened;
        return `${String(signal.aborted)} ${String(Number(fencingToken) > 0)}`;
      });
      await begun.opened;
      const failing = b.candidate.run(config, () => Promise.reject(new Error("no")));
      goOn.open();
      assert.equal(await running, "false true");
      assert.equal(a.releases().answered, 1);
      await assert.rejects(failing, /^Error: no$/);
      assert.equal(a.pending() + b.pending(), 0);
    });

    registerFaults(backend);
  });
}
