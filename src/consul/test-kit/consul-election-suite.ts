import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import {
  NotFoundError,
  type ConsulClient,
  type LeadershipConfig,
  type LeaderSession,
  type SessionId,
} from "../index.js";
import { UsageError } from "../../util/errors.js";
import { untilAborted } from "../../util/signals.js";
import { consulFor, type ConsulGround, type StartConsulServer } from "./consul-server.js";
import { describe, test } from "../../test-kit/register.js";
import { gate } from "../../test-kit/scripted-cluster.js";
import { sleep, toleranceMs, until } from "../../test-kit/waiting.js";

/** The shortest TTL that Consul accepts. */
const ttlMs = 10_000;
const timing = { ttlMs, lockDelayMs: 1_000, cooldownMs: 100, stepDownTimeoutMs: 500, marginMs: 500 } as const;
/** For tests that count requests: no request times out and is repeated on a machine that stalls. */
const longTtlMs = 60_000;
const create = /^PUT \/v1\/session\/create/;
const renew = /^PUT \/v1\/session\/renew/;
const acquire = /^PUT .*[?&]acquire=/;

/** The tests of elections that are specific to a fake or real Consul; the others are in the suite of all backends. */
export function consulElectionSuite(suffix: string, start: StartConsulServer): void {
  describe(`consul election (${suffix})`, { concurrency: 6 }, () => {
    const check = (title: string, body: (t: TestContext) => Promise<void>): void => {
      test(`${title} (${suffix})`, { timeout: 300_000 }, body);
    };

    check("consul 29: an election sends these requests", async (t) => {
      const ground = await consulFor(t, start);
      const { front } = ground;
      const session = await lead(ground, { key: "/my/key", contactInfo: "node1", ttlMs: longTtlMs });
      await front.received(/^GET \/v1\/kv\/my\/key\?.*index=/);
      const lines = front
        .requests()
        .slice(0, 4)
        .map(({ method, path }) => `${method} ${path}`);
      assert.deepEqual(lines, [
        "GET /v1/agent/self",
        "PUT /v1/session/create",
        "PUT /v1/kv/my/key",
        "GET /v1/kv/my/key",
      ]);
      const [, creating, acquiring, reading] = front.requests();
      assert.equal(
        creating?.body.toString(),
        '{"Node":"node1","Name":"default-leader-session","LockDelay":"1s","TTL":"1m0s","Behavior":"delete"}',
      );
      assert.equal(acquiring?.query.toString(), `acquire=${String(session.sessionId)}`);
      assert.equal(acquiring.body.toString(), '"node1"');
      assert.equal(reading?.query.toString(), "consistent=true");
      assert.equal((await session.currentEntry())?.key, "my/key");
    });

    check("consul 29: every request names the datacenter, the session has the description", async (t) => {
      const ground = await consulFor(t, start);
      const { front } = ground;
      const session = await lead(ground, { dc: "dc1", description: "for people", ttlMs: longTtlMs });
      await session.current();
      await session.close();
      assert.ok(front.requests().length >= 7);
      assert.deepEqual(
        front.requests().filter(({ query }) => query.get("dc") !== "dc1"),
        [],
      );
      assert.match(front.requests(create)[0]?.body.toString() ?? "", /"Name":"for people"/);
    });

    check("consul 30: contact info is stored as Go writes it, and read as plain text", async (t) => {
      const ground = await consulFor(t, start);
      const { front, client } = ground;
      const session = await lead(ground, { contactInfo: "http://h/?a=1&b=<2>", ttlMs: longTtlMs });
      assert.equal(await session.current(), "http://h/?a=1&b=<2>");
      assert.equal((await session.currentEntry())?.value, '"http://h/?a=1\\u0026b=\\u003c2\\u003e"');
      await session.abdicate();
      const bodies = front.requests(/[?&](acquire|release)=/).map(({ body }) => body.toString());
      assert.deepEqual(new Set(bodies), new Set(['"http://h/?a=1\\u0026b=\\u003c2\\u003e"']));
      assert.equal(await client.get("election/key"), bodies[0]);
    });

    check("consul 31: an entry of a Go leader is read, and so is one that is not JSON", async (t) => {
      const ground = await consulFor(t, start);
      const { client } = ground;
      const holder = await holderOf(client, 0);
      for (const [value, info] of [
        ['"http://a:1/?x=1\\u0026y=\\u003cz\\u003e"', "http://a:1/?x=1&y=<z>"],
        ["plain words", "plain words"],
        ['{"a":1}', '{"a":1}'],
        ["", ""],
      ] as const) {
        await holder.acquire(value);
        const session = await client.participate({ ...timing, key: "election/key", contactInfo: "b" }, () => undefined);
        assert.equal(await session.current(), info);
        const entry = await session.currentEntry();
        assert.deepEqual([entry?.value, entry?.held, entry?.sessionId], [value, true, holder.id]);
        await session.close();
      }
    });

    check("consul 32: nobody leads if the entry has no session, or if there is none", async (t) => {
      const ground = await consulFor(t, start);
      const { client } = ground;
      const session = await lead(ground, { key: "election/other", cooldownMs: 60_000, ttlMs: longTtlMs });
      await session.abdicate();
      assert.equal(await session.current(), undefined);
      assert.equal((await session.currentEntry())?.held, false);
      assert.equal((await session.currentEntry())?.sessionId, undefined);
      await session.close();
      await client.delete("election/other");
      assert.equal(await session.current(), undefined);
      assert.equal(await session.currentEntry(), undefined);
    });

    check("consul 35: a callback that fails at once is called at most 5 times in 10 s", async (t) => {
      const ground = await consulFor(t, start);
      const { client } = ground;
      const runsMs: number[] = [];
      const session = await client.participate({ key: "election/key", contactInfo: "" }, () => {
        runsMs.push(performance.now());
        return Promise.reject(new Error("out of luck"));
      });
      ground.defer(() => session.close());
      await until("it ran again", () => runsMs.length >= 2);
      await sleep(10_000);
      const early = runsMs.filter((ms) => ms < (runsMs[0] ?? 0) + 10_000);
      assert.ok(early.length <= 5, `${String(early.length)} runs`);
    });

    check("consul 39: if renewals fail for half a TTL, the leader stays", async (t) => {
      const ground = await consulFor(t, start);
      const { front } = ground;
      // long enough for tries after the outage
      const outlastMs = 3 * ttlMs;
      const session = await lead(ground, { ttlMs: outlastMs });
      const id = session.sessionId;
      const { atMs } = await front.received(renew);
      await until("a quarter of the TTL is over", () => performance.now() - atMs > outlastMs / 4);
      const undo = front.failNext(500, Infinity, renew);
      await until("three quarters of it are over", () => performance.now() - atMs > (outlastMs * 3) / 4);
      const failures = front.requests(renew).length - 1;
      assert.ok(failures >= 2, `${String(failures)} renewals failed`);
      undo();
      await front.received(renew, failures + 3);
      assert.ok(session.isLeader);
      assert.equal(session.sessionId, id);
    });

    check("consul 41: after a lock-delay of 3 s there is a new leader within 4.5 s", async (t) => {
      const ground = await consulFor(t, start);
      const { front, client } = ground;
      const holder = await holderOf(client, 3_000);
      await holder.acquire('"old"');
      const begun = gate();
      const session = await client.participate({ ...timing, key: "election/key", contactInfo: "new" }, ({ signal }) => {
        begun.open();
        return untilAborted(signal);
      });
      ground.defer(() => session.close());
      await front.received(/^GET .*index=/);
      const endedMs = performance.now();
      await client.deleteSession(holder.id);
      await begun.opened;
      const tookMs = performance.now() - endedMs;
      assert.ok(tookMs >= 2_900 && tookMs <= 4_500 + toleranceMs(), `elected after ${String(tookMs)} ms`);
      assert.ok(front.requests(acquire).length <= 10, `${String(front.requests(acquire).length)} acquires`);
    });

    check("consul 42: if an acquire finds the session gone, a new session contests", async (t) => {
      const ground = await consulFor(t, start);
      const { front, client } = ground;
      const undo = front.intercept(acquire, async (request, answer) => {
        undo();
        await client.deleteSession((request.query.get("acquire") ?? "") as SessionId);
        return answer(request);
      });
      await lead(ground, { ttlMs: longTtlMs });
      assert.equal(front.requests(create).length, 2);
      assert.equal(front.requests(renew).length, 0, "before a renewal would notice it");
    });

    check("consul 43: if the server grants 60 s, the next renewal comes after 30 s", async (t) => {
      const ground = await consulFor(t, start);
      const { front } = ground;
      front.intercept(create, (request, answer) =>
        answer({ ...request, body: Buffer.from(request.body.toString().replace('"TTL":"10s"', '"TTL":"60s"')) }),
      );
      const session = await lead(ground);
      const beats: number[] = [];
      // a renewal without a response in time is sent again at once
      for (let count = 1; beats.length < 2; count++) {
        const { atMs } = await front.received(renew, count);
        if (atMs - (beats.at(-1) ?? -Infinity) > 4_000) beats.push(atMs);
      }
      const afterMs = (beats[1] ?? 0) - (beats[0] ?? 0);
      // neither after half the requested TTL, nor at the end of the granted one
      assert.ok(afterMs >= 30_000 - toleranceMs() && afterMs <= 30_000 + toleranceMs(), `after ${String(afterMs)} ms`);
      assert.ok(session.isLeader);
    });

    check("consul 44: close releases the key, and destroys the session", async (t) => {
      const ground = await consulFor(t, start);
      const { front, client } = ground;
      const session = await lead(ground, { ttlMs: longTtlMs });
      const id = (session.sessionId ?? "") as SessionId;
      await session.close();
      await session.close();
      const lines = front.requests(/[?&]release=|destroy/).map(({ path, query }) => `${path} ${query.toString()}`);
      assert.deepEqual(lines, [`/v1/kv/election/key release=${id}`, `/v1/session/destroy/${id} `]);
      await assert.rejects(client.readSession(id), NotFoundError);
      assert.equal(front.pending, 0);
    });

    check("consul 45: a session whose creation is aborted is destroyed", async (t) => {
      const ground = await consulFor(t, start);
      const { front, client } = ground;
      const goOn = gate();
      front.intercept(create, async (request, answer) => {
        const reply = await answer(request);
        await goOn.opened;
        return reply;
      });
      const stop = new AbortController();
      const reason = new Error("enough");
      const beginning = client.participate(
        { ...timing, ttlMs: longTtlMs, key: "election/key", contactInfo: "" },
        () => assert.fail("must not lead"),
        { signal: stop.signal },
      );
      await front.received(create);
      stop.abort(reason);
      await assert.rejects(beginning, (error) => error === reason);
      goOn.open();
      await front.received(/^PUT \/v1\/session\/destroy/);
      assert.deepEqual(front.requests(acquire), []);
    });

    check("consul 46: a bad config is refused without a request", async (t) => {
      const ground = await consulFor(t, start);
      const { front, client } = ground;
      const bad: readonly object[] = [
        { ttlMs: 5_000 },
        { ttlMs: 86_400_001 },
        { lockDelayMs: 60_001 },
        { lockDelayMs: -1 },
        { key: "" },
        { key: "/" },
        { key: "a//b" },
        { key: "a/.." },
        { ttl: 10 },
      ];
      for (const fields of bad) {
        await assert.rejects(
          client.participate({ ...timing, key: "k", contactInfo: "", ...fields }, () => undefined),
          UsageError,
          JSON.stringify(fields),
        );
      }
      assert.deepEqual(front.requests(), []);
    });

    check("consul 48: the token grows, although the key is deleted with each session that ends", async (t) => {
      const ground = await consulFor(t, start);
      const { client } = ground;
      const tokens: number[] = [];
      for (let i = 0; i < 3; i++) {
        const session = await client.participate(
          { ...timing, lockDelayMs: 0, cooldownMs: 2_000, key: "election/key", contactInfo: "" },
          ({ signal, fencingToken }) => {
            tokens.push(Number(fencingToken));
            return untilAborted(signal);
          },
        );
        ground.defer(() => session.close());
        await until("it leads", () => session.isLeader);
        assert.equal((await session.currentEntry())?.fencingToken, String(tokens.at(-1)));
        await client.deleteSession((session.sessionId ?? "") as SessionId);
        await until("it no longer leads", () => !session.isLeader);
        await session.close();
      }
      assert.ok(
        tokens.length >= 3 && tokens.every((token, i) => i === 0 || token > (tokens[i - 1] ?? Infinity)),
        tokens.join(),
      );
    });

    check("consul: an acquire whose response is lost is recognized as ours", async (t) => {
      const ground = await consulFor(t, start);
      const { front } = ground;
      const undo = front.intercept(acquire, async (request, answer) => {
        undo();
        await answer(request);
        throw new Error("the answer was lost");
      });
      const begunMs = performance.now();
      await lead(ground, { ttlMs: longTtlMs });
      assert.ok(performance.now() - begunMs < longTtlMs / 3, "long before the TTL");
      assert.equal(front.requests(create).length, 1);
    });

    check("consul: terms and failures are logged", async (t) => {
      const { connect } = await consulFor(t, start);
      const lines: string[] = [];
      const session = await connect({
        logger: (message, fields) =>
          lines.push(`${message} ${String((fields as { error?: Error } | undefined)?.error?.message)}`),
      }).participate({ ...timing, key: "election/key", contactInfo: "" }, () =>
        Promise.reject(new Error("out of luck")),
      );
      await until("the logger is called", () => lines.includes("election: error out of luck"));
      await session.close();
      assert.ok(lines.includes("election: elected undefined"), lines.join("\n"));
    });
  });
}

/** A session whose callback lasts as long as its term, and that leads. */
async function lead({ client, defer }: ConsulGround, config: Partial<LeadershipConfig> = {}): Promise<LeaderSession> {
  const begun = gate();
  const session = await client.participate(
    { ...timing, key: "election/key", contactInfo: "", ...config },
    ({ signal }) => {
      begun.open();
      return untilAborted(signal);
    },
  );
  defer(() => session.close());
  await begun.opened;
  return session;
}

/** A session of another client, which holds the key once it has acquired it. */
async function holderOf(
  client: ConsulClient,
  lockDelayMs: number,
): Promise<{ readonly id: SessionId; readonly acquire: (value: string) => Promise<void> }> {
  const id = await client.createSession({
    node: "node1",
    name: "holder",
    lockDelayMs,
    ttlMs: 60_000,
    behavior: "delete",
  });
  const acquire = async (body: string): Promise<void> => {
    const raw = await client.send({ method: "PUT", path: "/v1/kv/election/key", query: `acquire=${id}`, body });
    assert.equal(raw.body.trim(), "true");
  };
  return { id, acquire };
}
