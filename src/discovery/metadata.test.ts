import assert from "node:assert/strict";
import test from "node:test";
import { Client, ClusterError, KeysAPI, UsageError } from "../core/index.js";
import { patience, until } from "../test-kit/waiting.js";
import { createFakeEtcd } from "../testing/index.js";
import { newHost } from "./host.js";
import { announcePrivate, announcePublic, followCredentials, isSurvivable, type MetadataContext } from "./metadata.js";
import { isRace } from "./owned-key-rules.js";
import type { Credentials } from "./registration.js";
import { encodeInfo, infoOf, type ServiceInfo } from "./service-info.js";
import type { DiscoveryWarning } from "./warning.js";

const key = "/services_infos/web";
const own = infoOf(newHost("web", { hostname: "h", public: true, user: "u", password: "p" }, "box"));
const theirs: ServiceInfo = { ...own, user: "them", password: "theirs" };
const isPrivate = infoOf(newHost("web", { hostname: "h" }, "box"));
const signal = patience(30_000);

interface Ground extends AsyncDisposable {
  readonly etcd: ReturnType<typeof createFakeEtcd>;
  readonly context: MetadataContext;
  readonly warnings: readonly DiscoveryWarning[];
}

function ground(stored?: string): Ground {
  const etcd = createFakeEtcd(stored === undefined ? {} : { keys: { [key]: stored } });
  const client = new Client({ endpoints: etcd.endpoints, transport: etcd.transport });
  const warnings: DiscoveryWarning[] = [];
  const context = {
    keys: new KeysAPI(client),
    service: "web",
    retryMs: 10,
    warn: (warning: DiscoveryWarning) => warnings.push(warning),
  };
  return {
    etcd,
    context,
    warnings,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await etcd.close();
    },
  };
}

test("metadata: a public host imposes its credentials, whatever was stored", async () => {
  for (const stored of [undefined, encodeInfo(theirs), encodeInfo(isPrivate), "garbage"]) {
    await using at = ground(stored);
    const { info, index } = await announcePublic(at.context, own, false, signal);
    assert.deepEqual([info, at.etcd.dump()[key]], [own, encodeInfo(own)]);
    assert.equal(index, at.etcd.index);
  }
});

test("metadata: a public host that adopts keeps the credentials of a public service", async () => {
  await using at = ground(encodeInfo(theirs));
  const { info } = await announcePublic(at.context, { ...own, hostname: "other" }, true, signal);
  assert.deepEqual([info.user, info.hostname], ["them", "other"]);
  await using alone = ground(encodeInfo(isPrivate));
  assert.equal((await announcePublic(alone.context, own, true, signal)).info.user, "u");
});

test("metadata: equal metadata are not written again", async () => {
  await using at = ground(encodeInfo(own));
  const before = at.etcd.index;
  assert.equal((await announcePublic(at.context, own, false, signal)).index, before);
  assert.equal(at.etcd.index, before);
});

test("metadata: if another host writes first, the write is a race and changes nothing (FF11)", async () => {
  await using at = ground(encodeInfo(isPrivate));
  const { keys } = at.context;
  const late = new KeysAPI({
    async send(spec, abort) {
      // between the read and the write
      if (spec.method === "PUT") at.etcd.load({ [key]: encodeInfo(theirs) });
      return keysSender.send(spec, abort);
    },
  });
  const keysSender = new Client({ endpoints: at.etcd.endpoints, transport: at.etcd.transport });
  const error: unknown = await announcePublic({ ...at.context, keys: late }, own, false, signal).catch(
    (e: unknown) => e,
  );
  assert.ok(isRace(error), String(error));
  assert.equal((await keys.get(key)).node.value, encodeInfo(theirs));
  await keysSender.close();
});

test("metadata: a private host leaves a public service alone, and replaces anything else", async () => {
  await using atPublic = ground(encodeInfo(own));
  await announcePrivate(atPublic.context, isPrivate, signal);
  assert.equal(atPublic.etcd.dump()[key], encodeInfo(own));
  assert.deepEqual(
    atPublic.warnings.map(({ code }) => code),
    ["MIXED_VISIBILITY"],
  );
  for (const stored of [undefined, "garbage", encodeInfo({ ...isPrivate, critical: true })]) {
    await using at = ground(stored);
    await announcePrivate(at.context, isPrivate, signal);
    assert.equal(at.etcd.dump()[key], encodeInfo(isPrivate));
  }
});

test("metadata: new credentials are applied one after the other; metadata without credentials changes nothing", async () => {
  await using at = ground(encodeInfo(own));
  let current = own;
  const applied: string[] = [];
  const ending = new AbortController();
  const apply = ({ user, password }: Credentials): Promise<void> => {
    applied.push(user);
    current = { ...current, user, password };
    return Promise.resolve();
  };
  const announced = { info: own, index: at.etcd.index };
  const following = followCredentials(at.context, announced, () => current, apply, ending.signal);
  await at.etcd.untilWatched(key);
  const warned = (code: string): Promise<unknown> =>
    until(`a warning ${code}`, () => at.warnings.some((warning) => warning.code === code));
  at.etcd.load({ [key]: "garbage" });
  await warned("METADATA_INVALID");
  at.etcd.load({ [key]: encodeInfo(isPrivate) });
  await warned("MIXED_VISIBILITY");
  at.etcd.load({ [key]: encodeInfo({ ...own, hostname: "other" }) });
  at.etcd.load({ [key]: encodeInfo(theirs) });
  await until("the new pair", () => applied.length > 0);
  at.etcd.expire(key);
  await warned("METADATA_DELETED");
  await until("the metadata again", () => at.etcd.dump()[key] === encodeInfo(theirs));
  ending.abort(new Error("enough"));
  await assert.rejects(following, { message: "enough" });
  assert.deepEqual(applied, ["them"]);
});

test("metadata: a registration survives failures of etcd and refusals, not a closed client or a fault of the program", () => {
  assert.ok(isSurvivable(new ClusterError("ERR_CLUSTER_UNAVAILABLE")));
  assert.ok(!isSurvivable(new UsageError("ERR_CLOSED", "closed")));
  assert.ok(!isSurvivable(new TypeError("x is not a function")));
});
