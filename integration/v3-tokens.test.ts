// Expired tokens, and denied watches.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import {
  AuthAPI,
  AuthRoleAPI,
  AuthUserAPI,
  Client,
  isUnauthorized,
  KeysAPI,
  type Exchange,
  type RequestSpec,
} from "../src/core/index.js";
import { gotExchange } from "../src/http/got/got-exchange.js";
import { patience, until } from "../src/test-kit/waiting.js";
import { v3Protocol } from "../src/v3/index.js";
import { memberCount, watchesAt } from "./support.js";

/** A transport that records the paths of its requests. */
function recording(): { readonly transport: Exchange; readonly paths: string[] } {
  const inner = gotExchange({});
  const paths: string[] = [];
  const transport = Object.assign(
    (url: URL, spec: RequestSpec, signal: AbortSignal | undefined) => {
      paths.push(spec.path);
      return inner(url, spec, signal);
    },
    { close: () => inner.close?.() },
  );
  return { transport, paths };
}

async function withAuth(cluster: Cluster): Promise<void> {
  await using admin = new Client({ endpoints: cluster.endpoints, protocol: v3Protocol() });
  const [users, roles] = [new AuthUserAPI(admin), new AuthRoleAPI(admin)];
  await new KeysAPI(admin).set("/other", "0");
  await users.add("root", "r");
  await users.add("bob", "b");
  await roles.add("app");
  await roles.grantKV("app", ["/app/*"], "readWrite");
  await users.grant("bob", ["app"]);
  await new AuthAPI(admin).enable();
}

for (const program of ["etcd", "etcd-3.5"] as const) {
  test(`v3: an expired token on ${program} is replaced by one authentication, and the call is applied once (V58)`, async () => {
    // 3.4 has no flag for it: there a user's tokens are dropped with its password
    const args = program === "etcd" ? [] : ["--auth-token-ttl", "2"];
    await using cluster = await startCluster({ bin: find(program), size: memberCount, enableV2: false, args });
    await withAuth(cluster);
    const { transport, paths } = recording();
    const [credentials, protocol] = [{ username: "root", password: "r" }, v3Protocol()];
    await using client = new Client({ endpoints: cluster.endpoints, protocol, transport, ...credentials });
    await using other = new Client({ endpoints: cluster.endpoints, protocol: v3Protocol(), ...credentials });
    const expire = async (): Promise<void> => {
      if (program === "etcd") await new AuthUserAPI(other).changePassword("root", "r");
      else await sleep(4_000);
      paths.length = 0;
    };
    const keys = new KeysAPI(client);
    const { index } = await keys.set("/app/k", "0");
    await expire();
    const { node } = await keys.create("/app/once", "1");
    assert.ok(node.modifiedIndex > index);
    assert.deepEqual(paths, ["/v3/kv/txn", "/v3/auth/authenticate", "/v3/kv/txn"]);
    assert.equal((await keys.get("/app/once")).node.createdIndex, node.modifiedIndex);
    // many at once share the new token, too
    await expire();
    await Promise.all(Array.from({ length: 20 }, (_, i) => keys.set(`/app/${String(i)}`, "x")));
    assert.equal(paths.filter((path) => path === "/v3/auth/authenticate").length, 1, paths.join(" "));
  });

  test(`v3: a denied watch on ${program} is isUnauthorized, and its stream is closed (V54)`, async () => {
    await using cluster = await startCluster({ bin: find(program), size: memberCount, enableV2: false });
    await withAuth(cluster);
    const { transport, paths } = recording();
    const protocol = v3Protocol();
    const credentials = { username: "bob", password: "b" };
    await using client = new Client({ endpoints: cluster.endpoints, protocol, transport, ...credentials });
    const keys = new KeysAPI(client);
    for (const watcher of [keys.watcher("/other"), keys.watcher("/other", { afterIndex: 1 })]) {
      const error: unknown = await watcher.next(patience()).catch((each: unknown) => each);
      assert.ok(isUnauthorized(error), String(error));
    }
    // each is tried once more, with a fresh token
    assert.equal(paths.filter((path) => path === "/v3/watch").length, 4);
    for (const endpoint of cluster.endpoints) {
      await until("no watch is left", async () => (await watchesAt(endpoint, "v3")) === 0);
    }
  });
}
