import assert from "node:assert/strict";
import test from "node:test";
import { newHost, type Host } from "./host.js";
import { lookUp, type GetOptions, type ServiceSource } from "./lookup.js";
import { emptyInfo, infoOf, type ServiceInfo } from "./service-info.js";

const base = { hostname: "public.dev", public: true, user: "u", password: "p", ports: { http: "80" } };
const onShard = (shard: string): Host =>
  newHost("web", { ...base, hostname: `${shard}.dev`, privateHostname: shard, shard }, "box");
const [a, b, c] = [onShard("a"), onShard("b"), onShard("c")];

/** A source of one service that counts its calls. */
class Source implements ServiceSource {
  readonly calls: string[] = [];
  info_: ServiceInfo = infoOf(newHost("web", base, "box"));
  hosts_: readonly Host[] | undefined = [a, b, c];
  failing: Error | undefined;
  random = (): number => 0.5;

  info(service: string, options: GetOptions): Promise<ServiceInfo> {
    this.calls.push(`info ${service}${options.strict === true ? " strict" : ""}`);
    return this.failing === undefined ? Promise.resolve(this.info_) : Promise.reject(this.failing);
  }

  hosts(service: string): Promise<readonly Host[] | undefined> {
    this.calls.push(`hosts ${service}`);
    return Promise.resolve(this.hosts_);
  }
}

test("lookup: it is lazy, and reads the metadata once", async () => {
  const source = new Source();
  const found = lookUp(source, "web", "", { strict: true });
  assert.deepEqual(source.calls, []);
  assert.equal((await found.service()).hostname, "public.dev");
  assert.equal(await found.url("http", "/p"), "http://u:p@public.dev:80/p");
  assert.equal(await found.err(), undefined);
  assert.deepEqual(source.calls, ["info web strict"]);
});

test("lookup: first, one and all choose among the hosts; a host is read once", async () => {
  const source = new Source();
  const found = lookUp(source, "web", "");
  assert.equal(String(await found.all()), "a, b, c");
  const first = found.first();
  assert.deepEqual([await first.host(), await first.url("http"), await first.err()], [a, a.url("http"), undefined]);
  assert.equal(await found.one().host(), b);
  assert.equal(await found.one().privateUrl("http"), b.privateUrl("http"));
  assert.equal(source.calls.filter((call) => call === "hosts web").length, 4);
});

test("lookup: with a shard, only its hosts, and their URLs", async () => {
  const source = new Source();
  const found = lookUp(source, "web", "c");
  assert.deepEqual([...(await found.all())], [c]);
  assert.equal(await found.url("http"), c.url("http"));
  assert.deepEqual([...(await found.all({ shard: "a" }))], [a]);
  assert.equal(String(await found.all({ shard: "" })), "a, b, c");
});

test("lookup: a private service has the URL of one of its hosts", async () => {
  const source = new Source();
  source.info_ = emptyInfo("web");
  assert.equal(await lookUp(source, "web", "").url("http", "/"), b.url("http", "/"));
});

for (const [what, hosts, shard, code] of [
  ["a service that was never registered", undefined, "", "ERR_SERVICE_NOT_FOUND"],
  ["a service without hosts", [], "", "ERR_NO_HOST"],
  ["a service without hosts on the shard", [a], "z", "ERR_NO_HOST_ON_SHARD"],
] as const) {
  test(`lookup: ${what} has no hosts, and rejects only if one is required`, async () => {
    const source = new Source();
    source.hosts_ = hosts;
    const found = lookUp(source, "web", shard);
    assert.deepEqual([...(await found.all())], []);
    const error = { name: "DiscoveryError", code };
    await assert.rejects(found.all({ requireHosts: true }), error);
    await assert.rejects(found.first().host(), error);
    await assert.rejects(found.one().url("http"), error);
    assert.equal((await found.first().err())?.name, "DiscoveryError");
  });
}

test("lookup: it never throws: its calls reject with the error", async () => {
  const source = new Source();
  source.failing = new Error("down");
  const failed = lookUp(source, "web", "");
  await assert.rejects(failed.all(), source.failing);
  assert.equal(await failed.err(), source.failing);
  assert.equal(await failed.first().err(), source.failing);
  const bad = lookUp(new Source(), "web", "", { strct: true } as GetOptions);
  await assert.rejects(bad.service(), { code: "ERR_ARGUMENT" });
  const fine = lookUp(new Source(), "web", "");
  for (const query of [{ shards: "" }, { shard: 1 }, { signal: 1 }, { requireHosts: 1 }, { strict: 1 }])
    await assert.rejects(fine.all(query as object), { code: "ERR_ARGUMENT" });
  await assert.rejects(fine.url("http", "", { raw: 1 } as object), { code: "ERR_ARGUMENT" });
});

test("lookup: an abort rejects with its reason; aborted beforehand, nothing is sent", async () => {
  const source = new Source();
  const reason = new Error("enough");
  const aborted = lookUp(source, "web", "", { signal: AbortSignal.abort(reason) });
  await assert.rejects(aborted.all(), reason);
  await assert.rejects(aborted.service(), reason);
  assert.deepEqual(source.calls, []);
  const odd = lookUp(source, "web", "", { signal: AbortSignal.abort("a text") });
  assert.equal((await odd.err())?.message, "the call was aborted");
});
