import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { projectRoot } from "../scripts/run.mjs";
import { startCluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { AuthAPI, AuthRoleAPI, AuthUserAPI, isKeyNotFound, KeysAPI } from "../src/core/index.js";
import { refusedUrl } from "../src/test-kit/scripted-server.js";
import { v3Protocol } from "../src/v3/index.js";
import { onTerminal, shell } from "./cli-support.js";
import { migrateGround, treeOf, type TargetName } from "./migrate-support.js";

const ground = migrateGround();
const targets: readonly TargetName[] = ["the same servers", "etcd 3.4 without v2", "etcd 3.5 without v2"];
const same = "the same servers";
let count = 0;

/** A tree of its own for each test, with a namespace of its own. */
function place(name: TargetName = same): { dir: string; namespace: string; state: string; args: readonly string[] } {
  const number = String(++count);
  const [dir, namespace, state] = [`/tree${number}`, `/ns${number}`, ground.stateFile()];
  const from = ground.source.endpoints.join();
  const to = ground.target(name).endpoints.join();
  const args = ["--from", from, "--to", to, "--prefix", dir, "--namespace", namespace, "--state", state];
  return { dir, namespace, state, args };
}

/** Where both stores of a server are. */
async function indexes(): Promise<readonly unknown[]> {
  const [endpoint = ""] = ground.source.endpoints;
  const v2 = (await fetch(`${endpoint}/v2/keys/`)).headers.get("x-etcd-index");
  const v3 = (await (await fetch(`${endpoint}/v3/maintenance/status`, { method: "POST", body: "{}" })).json()) as {
    readonly header: { readonly revision: string };
  };
  return [v2, v3.header.revision];
}

function jsonLines(text: string): readonly Record<string, unknown>[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

for (const name of targets) {
  test(
    `migrate: a tree with everything in it is carried over to ${name}, and v2 purged (V115)`,
    { timeout: 60_000 },
    async () => {
      const { dir, namespace, args } = place(name);
      const { v2 } = ground;
      const odd = [
        "%",
        "a b",
        "ü",
        "😀",
        "?x=1&y",
        "#",
        "a+b",
        "~",
        "..a",
        '"quotes"',
        "\\",
        "a\nb",
        "\u0001",
        "%2F",
        "a-b",
        "a",
        "a0",
      ];
      for (const each of odd) await v2.set(`${dir}/odd/${each}/x`, each);
      await v2.set(`${dir}/odd/a-b`.replace("a-b", "a.b"), "between a/ and a0");
      await v2.create(`${dir}/empty/of/all`, "", { dir: true });
      for (const each of ["", "\0", "😀\u2028", "x".repeat(700_000)]) await v2.createInOrder(`${dir}/queue`, each);
      await v2.set(`${dir}/ttl/long`, "l", { ttl: 5_000 });
      await v2.set(`${dir}/ttl/short`, "s", { ttl: 300 });
      await v2.set(`${dir}/app/_locks/a`, "held");
      await v2.set(`${dir}/app/_locks/_deeper/a`, "not named");
      await v2.set(`${dir}/app/plain`, "1");
      // just below the limit of a v3 request
      const large = "v".repeat(1.5 * 1024 * 1024 - 600);
      await v2.set(`${dir}/large`, large);
      const all = [...args, "--also", `${dir}/app/_locks`];

      const checked = await ground.run([...all, "--check"]);
      assert.equal(checked.code, 0, checked.err);
      assert.match(checked.err, /2 with a TTL/);
      assert.match(
        checked.err,
        /does not list hidden names \(_name\): if there are any other than .*_locks, give them by --also/,
      );
      const copied = await ground.run(all);
      assert.equal(copied.code, 0, copied.err);
      const verified = await ground.run([...all, "--verify"]);
      assert.deepEqual([verified.code, verified.out], [0, ""], verified.err);
      assert.match(verified.err, /v2 and v3 do not differ/);
      const v3 = ground.v3(name, namespace);
      const tree = await treeOf(v3, dir);
      assert.deepEqual(tree, await treeOf(v2, dir));
      assert.equal(tree[`${dir}/large`], large);
      assert.equal((await v3.get(`${dir}/app/_locks/a`)).node.value, "held");
      const [long, short] = await Promise.all([v3.get(`${dir}/ttl/long`), v3.get(`${dir}/ttl/short`)]);
      assert.ok((long.node.ttl ?? 0) > 4_900 && (long.node.ttl ?? 0) <= 5_000, String(long.node.ttl));
      assert.ok((short.node.ttl ?? 0) > 200 && (short.node.ttl ?? 0) <= 300, String(short.node.ttl));
      await assert.rejects(v3.get(`${dir}/app/_locks/_deeper/a`), isKeyNotFound);

      const purged = await ground.run([...all, "--purge", "--yes"]);
      assert.equal(purged.code, 1, purged.err);
      assert.match(
        purged.err,
        /left in v2, since there are hidden keys in them \(name them by --also\): .*_locks, .*app/,
      );
      assert.match(purged.err, /every member must take a snapshot/);
      assert.equal(
        (await v2.get(`${dir}/app/_locks/_deeper/a`)).node.value,
        "not named",
        "keys that no option named are kept",
      );
      assert.deepEqual(Object.keys(await treeOf(v2, dir)), [dir, `${dir}/app`]);
      assert.deepEqual(await treeOf(v3, dir), tree);
      // copying now would delete the keys in v3
      const again = await ground.run(all);
      assert.equal(again.code, 2);
      assert.match(again.err, /the v2 data has been purged/);
      assert.deepEqual(await treeOf(v3, dir), tree);
    },
  );
}

test(
  "migrate: a dry run moves neither store, writes no file and prints the plan (V108)",
  { timeout: 60_000 },
  async () => {
    const { dir, args, state } = place();
    await ground.v2.set(`${dir}/a`, "1");
    await ground.v2.set(`${dir}/sub/b`, "2", { ttl: 300 });
    const before = await indexes();
    const { code, err } = await ground.run([...args, "--dry-run", "--follow"]);
    assert.equal(code, 0, err);
    assert.match(
      err,
      /would write 4 keys and directories to v3 in about 1 transactions, with leases for up to 1 keys; delete 0; leave 0/,
    );
    assert.match(err, /would then apply every change of v2 until Ctrl-C/);
    assert.deepEqual(await indexes(), before);
    assert.ok(!existsSync(state) && !existsSync(`${state}.lock`));
    assert.equal((await ground.run(args)).code, 0);
    const between = await indexes();
    const purge = await ground.run([...args, "--purge", "--dry-run"]);
    assert.equal(purge.code, 0, purge.err);
    assert.match(purge.err, /would delete 2 keys of v2/);
    assert.deepEqual(await indexes(), between);
  },
);

test("migrate: every obstacle is named, and nothing is written (V109)", { timeout: 120_000 }, async () => {
  const { dir, namespace, args } = place();
  const { v2 } = ground;
  await v2.set(`${dir}/large`, "v".repeat(1.5 * 1024 * 1024));
  await v2.set(`${dir}/${Array.from({ length: 61 }, (_, i) => String(i)).join("/")}`, "deep");
  await v2.create(`${dir}/mortal`, "", { dir: true, ttl: 1_000 });
  await v2.set(`${dir}/other`, "v2");
  await ground.v3(same, namespace).set(`${dir}/other`, "v3");
  const before = await indexes();
  const { code, out, err } = await ground.run(args);
  assert.deepEqual([code, out], [4, ""], err);
  assert.match(err, new RegExp(`in the way: 1 values that do not fit into a v3 request of 1.5 MiB: ${dir}/large`));
  assert.match(err, /in the way: 2 keys of more than 60 segments: /);
  assert.match(err, new RegExp(`in the way: 1 directories with a TTL, .*--drop-directory-ttls.*: ${dir}/mortal/`));
  assert.match(
    err,
    new RegExp(`in the way: 1 keys that v3 has with other values \\(--overwrite replaces them\\): ${dir}/other`),
  );
  assert.match(err, /nothing was written/);
  assert.deepEqual(await indexes(), before);
  const json = await ground.run([...args, "--json"]);
  assert.deepEqual([json.code, jsonLines(json.out).filter((line) => "inTheWay" in line).length], [4, 4]);
  assert.deepEqual(jsonLines(json.out).at(-1), { phase: "end", exit: 4 });

  await v2.delete(`${dir}/large`);
  await v2.delete(`${dir}/0`, { recursive: true });
  const without = await ground.run([...args, "--overwrite", "--drop-directory-ttls"]);
  assert.equal(without.code, 0, without.err);
  assert.equal((await ground.v3(same, namespace).get(`${dir}/other`)).node.value, "v2");
  assert.equal((await ground.run([...args, "--verify", "--drop-directory-ttls"])).code, 0);
  const strict = await ground.run([...args, "--verify"]);
  assert.deepEqual([strict.code, strict.out], [1, `${dir}/mortal/: only one of them has a TTL\n`]);
});

test(
  "migrate: a server without the gateway, without v2, or that refuses the user is in the way (V109)",
  { timeout: 120_000 },
  async () => {
    await using off = await startCluster({
      bin: find("etcd"),
      enableV2: true,
      args: ["--enable-grpc-gateway=false"],
      heartbeatMs: 20,
      electionMs: 200,
    });
    const { args } = place();
    const gateway = await ground.run([...args, "--to", off.endpoints.join()]);
    assert.equal(gateway.code, 4, gateway.err);
    assert.match(gateway.err, /in the way: .*there is no v3 JSON gateway here/);
    const noV2 = await ground.run([...args, "--from", ground.target("etcd 3.5 without v2").endpoints.join()]);
    assert.equal(noV2.code, 4, noV2.err);
    assert.match(noV2.err, /in the way: .*v2 API is probably not enabled/);
    const away = await ground.run([...args, "--to", await refusedUrl()]);
    assert.equal(away.code, 3, away.err);
    assert.match(away.err, /ECONNREFUSED/);
  },
);

test(
  "migrate: users of both sides with roles for the tree alone; a note names the users of v2",
  { timeout: 120_000 },
  async () => {
    await using cluster = await startCluster({ bin: find("etcd"), enableV2: true });
    const { endpoints } = cluster;
    const client = ground.client(endpoints);
    const keys = new KeysAPI(client);
    await keys.set("/app/a", "1", { ttl: 500 });
    await keys.set("/other", "2");
    const users = new AuthUserAPI(client);
    await users.add("root", "r2");
    await new AuthRoleAPI(client).add("app");
    await new AuthRoleAPI(client).grantKV("app", ["/app/*", "/app"], "readWrite");
    await users.add("mover", "m2");
    await users.grant("mover", ["app"]);
    await new AuthAPI(client).enable();
    const root2 = ground.client(endpoints, { username: "root", password: "r2" });
    await new AuthRoleAPI(root2).revokeKV("guest", ["/*"], "readWrite");
    // the same in v3
    const v3 = ground.client(endpoints, { protocol: v3Protocol(), username: "root", password: "r3" });
    await new AuthUserAPI(v3).add("root", "r3");
    await new AuthRoleAPI(v3).add("app");
    await new AuthRoleAPI(v3).grantKV("app", ["/app/*", "/app"], "readWrite");
    await new AuthUserAPI(v3).add("mover", "m3");
    await new AuthUserAPI(v3).grant("mover", ["app"]);
    await new AuthAPI(v3).enable();

    const to = ["--from", endpoints.join(), "--to", endpoints.join(), "--state", ground.stateFile()];
    const users2 = ["--from-user", "mover", "--to-user", "mover"];
    const env = { ETCD_FROM_PASSWORD: "m2", ETCD_TO_PASSWORD: "m3" };
    const nobody = await ground.run([...to, "--prefix", "/app"]);
    assert.equal(nobody.code, 4, nobody.err);
    assert.match(nobody.err, /in the way: --from: v2 refused: 110/);
    const wrong = await ground.run([...to, ...users2, "--prefix", "/app"], { ...env, ETCD_TO_PASSWORD: "x" });
    assert.equal(wrong.code, 1, wrong.err);
    assert.match(wrong.err, /--to: the user name or the password is wrong/);
    const outside = await ground.run([...to, ...users2, "--prefix", "/other"], env);
    assert.equal(outside.code, 4, outside.err);
    const moved = await ground.run([...to, ...users2, "--prefix", "/app"], env);
    assert.equal(moved.code, 0, moved.err);
    assert.match(moved.err, /may not read users and roles/);
    assert.equal((await new KeysAPI(v3).get("/app/a")).node.value, "1");
    assert.equal((await ground.run([...to, ...users2, "--prefix", "/app", "--verify"], env)).code, 0);
    const asRoot = ["--from-user", "root", "--to-user", "root", "--prefix", "/app", "--check"];
    const told = await ground.run([...to, ...asRoot], { ETCD_FROM_PASSWORD: "r2", ETCD_TO_PASSWORD: "r3" });
    assert.equal(told.code, 0, told.err);
    assert.match(told.err, /v2 has 2 users and 1 roles, which are not copied/);
    assert.ok(
      ![nobody, wrong, outside, moved, told].some(({ err }) => /m2|m3|r2|r3/.test(err.replaceAll(/\/\S+/g, ""))),
    );
  },
);

test(
  "migrate: keys that others wrote to v3 are kept and counted, and differences are printed (V111)",
  { timeout: 60_000 },
  async () => {
    const { dir, namespace, args } = place();
    const { v2 } = ground;
    for (const each of ["a", "b", "c", "d"]) await v2.set(`${dir}/${each}`, "1");
    assert.equal((await ground.run(args)).code, 0);
    const v3 = ground.v3(same, namespace);
    await v3.set(`${dir}/a`, "theirs");
    await v3.set(`${dir}/more`, "theirs");
    await v2.set(`${dir}/a`, "2");
    await v2.set(`${dir}/b`, "2");
    await v2.delete(`${dir}/c`);
    // v2 has no event for this
    await v2.refresh(`${dir}/d`, 1_000);
    const verified = await ground.run([...args, "--verify", "--json"]);
    assert.deepEqual(
      jsonLines(verified.out).filter((line) => "difference" in line),
      [
        { key: `${dir}/a`, difference: "value" },
        { key: `${dir}/b`, difference: "value" },
        { key: `${dir}/c`, difference: "extra" },
        { key: `${dir}/d`, difference: "ttl" },
        { key: `${dir}/more`, difference: "extra" },
      ],
    );
    assert.equal(verified.code, 1);
    const refused = await ground.run([...args, "--purge", "--yes"]);
    assert.equal(refused.code, 1, refused.err);
    assert.match(refused.err, /5 differences: nothing was deleted/);
    assert.equal((await v2.get(`${dir}/a`)).node.value, "2");
    const again = await ground.run([...args, "--overwrite"]);
    assert.equal(again.code, 0, again.err);
    assert.match(again.err, /2 keys were kept as others wrote them to v3: .*\/a, .*\/more/);
    assert.deepEqual(await treeOf(v3, dir), {
      [dir]: "/",
      [`${dir}/a`]: "theirs",
      [`${dir}/b`]: "2",
      [`${dir}/d`]: "1 +",
      [`${dir}/more`]: "theirs",
    });
    assert.equal(
      (await ground.run([...args, "--verify"])).out,
      `${dir}/a: v3 has another value\n${dir}/more: only v3 has it\n`,
    );
  },
);

test(
  "migrate: equal keys that v3 had before are taken over, and keys that were equal once may be purged later",
  { timeout: 60_000 },
  async () => {
    const { dir, namespace, args } = place();
    const { v2 } = ground;
    const v3 = ground.v3(same, namespace);
    for (const each of ["a", "b"]) {
      await v2.set(`${dir}/${each}`, "1");
      await v3.set(`${dir}/${each}`, "1");
    }
    assert.match((await ground.run(args)).err, /0 keys were written/);
    await v2.set(`${dir}/a`, "2");
    const again = await ground.run(args);
    assert.match(again.err, /1 keys were written/);
    assert.equal((await ground.run([...args, "--verify"])).code, 0);
    // after the switch
    await v3.set(`${dir}/a`, "3");
    await v3.delete(`${dir}/b`);
    const purged = await ground.run([...args, "--purge", "--yes"]);
    assert.equal(purged.code, 0, purged.err);
    await assert.rejects(v2.get(dir), isKeyNotFound);
    assert.deepEqual(await treeOf(v3, dir), { [dir]: "/", [`${dir}/a`]: "3" });
  },
);

test(
  "migrate: an empty v2 tree deletes nothing in v3, and a state file is for one migration",
  { timeout: 60_000 },
  async () => {
    const { dir, namespace, args, state } = place();
    await ground.v2.set(`${dir}/a`, "1");
    assert.equal((await ground.run(args)).code, 0);
    const other = await ground.run([...args, "--namespace", "/another"]);
    assert.deepEqual([other.code, other.out], [2, ""]);
    assert.match(other.err, /is the state of another migration: --namespace was \/ns\d+, and is \/another now/);
    await ground.v2.delete(dir, { recursive: true });
    const empty = await ground.run(args);
    assert.equal(empty.code, 1, empty.err);
    assert.match(empty.err, /v2 has no keys, although keys were copied from it before/);
    assert.equal((await ground.v3(same, namespace).get(`${dir}/a`)).node.value, "1");
    writeFileSync(state, "nonsense");
    assert.match((await ground.run(args)).err, /is not the state of a migration/);
  },
);

test("migrate: wrong usage exits with 2 and one line (V105)", { timeout: 60_000 }, async () => {
  const nobody = await refusedUrl();
  const wrong = [
    [],
    ["--to", nobody, "more"],
    ["--to", "nonsense"],
    ["--to", nobody, "--from", "nonsense"],
    ["--to", nobody, "--prefix", "app"],
    ["--to", nobody, "--prefix", "/a//b"],
    ["--to", nobody, "--namespace", "app"],
    ["--to", nobody, "--also", "/plain"],
    ["--to", nobody, "--prefix", "/app", "--also", "/other/_hidden"],
    ["--to", nobody, "--check", "--follow"],
    ["--to", nobody, "--verify", "--check"],
    ["--to", nobody, "--directories", "some"],
    ["--to", nobody, "--protocol", "v3"],
    ["--to", nobody, "--user", "root"],
    ["--to", nobody, "--to-user", "root:secret"],
    ["--to", nobody, "--to-user", "root"],
    ["--to", nobody, "--purge"],
    ["--to", nobody, "--state", "/no/such/folder/state.json"],
  ];
  const ends = await Promise.all(wrong.map((args) => ground.run(args, { ETCD_ENDPOINTS: nobody })));
  for (const [i, { code, out, err }] of ends.entries()) {
    const what = `etcd2 migrate ${(wrong[i] ?? []).join(" ")}: ${err}`;
    assert.equal(code, 2, what);
    assert.equal(out, "", what);
    assert.match(err, /^etcd2: [^\n]+\n$/, what);
    assert.doesNotMatch(err, /secret/, what);
  }
});

test(
  "migrate: on a terminal progress is redrawn, Ctrl-C says how to go on, and a purge asks (V113)",
  { timeout: 120_000 },
  async () => {
    const { dir, args } = place();
    for (let i = 0; i < 300; i++) await ground.v2.set(`${dir}/${String(i % 7)}/${String(i)}`, "v");
    const following = onTerminal(["migrate", ...args, "--follow"]);
    await following.untilShown("caught up with v2");
    await ground.v2.set(`${dir}/later`, "1");
    await following.untilShown(/follow: 1 keys, 0 waiting, at \/tree\d+\/later/);
    following.type("\u0003");
    assert.equal(await following.ended, 130);
    assert.match(following.shown(), /follow: 1 keys, 0 waiting in [\d.]+ s\r\n/);
    assert.match(following.shown(), /stopped following; the state is in .*The same command goes on/);
    assert.ok(following.shown().includes("\u001b["), "the line is redrawn");

    const unsure = onTerminal(["migrate", ...args, "--purge"]);
    await unsure.untilShown("Type yes: ");
    unsure.type("no\r");
    assert.equal(await unsure.ended, 1);
    assert.match(unsure.shown(), /nothing was deleted/);
    const stopped = onTerminal(["migrate", ...args, "--purge"]);
    await stopped.untilShown("Type yes: ");
    stopped.type("\u0003");
    assert.equal(await stopped.ended, 130, stopped.shown());
    assert.equal((await ground.v2.get(`${dir}/later`)).node.value, "1");
    const sure = onTerminal(["migrate", ...args, "--purge"]);
    await sure.untilShown("Delete 301 keys of v2 for good? Type yes: ");
    sure.type("yes\r");
    assert.equal(await sure.ended, 0, sure.shown());
    await assert.rejects(ground.v2.get(dir), isKeyNotFound);
  },
);

test(
  "migrate: JSON is one object a line, without cursor codes, and exit codes work in a shell (V113)",
  { timeout: 60_000 },
  async () => {
    const { dir, args } = place();
    await ground.v2.set(`${dir}/a`, "1");
    const line = args.join(" ");
    const piped = await shell(
      `set -o pipefail; etcd2 --json migrate ${line} | tail -1 && etcd2 --json migrate ${line} --verify | head -1 && echo all equal`,
    );
    assert.equal(piped.code, 0, piped.err);
    assert.equal(piped.out, '{"phase":"end","exit":0}\n{"phase":"verify","done":2}\nall equal\n');
    assert.ok(!piped.err.includes("\u001b"), "no terminal: no codes");
    await ground.v2.set(`${dir}/a`, "2");
    const differs = await shell(`etcd2 migrate ${line} --verify 2>/dev/null || echo "exit $?"`);
    assert.equal(differs.out, `${dir}/a: v3 has another value\nexit 1\n`);
    const all = await ground.run(["--json", ...args]);
    for (const each of jsonLines(all.out)) assert.ok("phase" in each, all.out);
    assert.deepEqual(
      jsonLines(all.out).map(({ phase, done, total, conflicts, exit }) => [phase, done, total, conflicts, exit]),
      [
        ["check", 2, undefined, undefined, undefined],
        ["copy", 2, 2, 0, undefined],
        ["end", undefined, undefined, undefined, 0],
      ],
    );
  },
);

test("migrate: with implied directories only the empty ones have markers", { timeout: 60_000 }, async () => {
  const { dir, namespace, args } = place();
  await ground.v2.set(`${dir}/sub/a`, "1");
  await ground.v2.create(`${dir}/empty`, "", { dir: true });
  const all = [...args, "--directories", "implied"];
  const { code, err } = await ground.run(all);
  assert.equal(code, 0, err);
  assert.match(err, /2 keys were written/);
  assert.equal((await ground.run([...all, "--verify"])).code, 0);
  const v3 = ground.v3(same, namespace);
  assert.deepEqual(await treeOf(v3, dir), await treeOf(ground.v2, dir));
});

test("migrate: the commands of the guide run as they stand, in their order", { timeout: 120_000 }, async () => {
  await using cluster = await startCluster({ bin: find("etcd"), enableV2: true, heartbeatMs: 20, electionMs: 200 });
  const [endpoint = ""] = cluster.endpoints;
  await new KeysAPI(ground.client(cluster.endpoints)).set("/app/a", "1");
  const guide = readFileSync(join(projectRoot, "docs/guides/carry-your-data-over.md"), "utf8");
  const lines = [...guide.matchAll(/^ *```sh\n([^]*?)^ *```$/gm)].flatMap(([, block = ""]) =>
    block.trim().split(/\n\s*/),
  );
  assert.equal(lines.length, 7);
  const state = ground.stateFile();
  for (const line of lines) {
    const command = line.replaceAll("http://127.0.0.1:2379", endpoint).replace("migrate", `migrate --state ${state}`);
    if (!line.includes("--follow")) {
      const { code, err } = await shell(`set -o pipefail; ${command}`);
      // after the purge there is nothing left to check
      assert.equal(code, line.includes("tail") ? 2 : 0, `${line}: ${err}`);
      continue;
    }
    const following = onTerminal(command.split(" ").slice(1));
    await following.untilShown("caught up with v2");
    following.type("\u0003");
    assert.equal(await following.ended, 0, following.shown());
    assert.match(following.shown(), /v2 and v3 do not differ/);
  }
});
