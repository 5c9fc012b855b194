import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { after, before } from "node:test";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { Client, KeysAPI, type ClientOptions, type KeyNode } from "../src/core/index.js";
import { v3Protocol } from "../src/v3/index.js";
import { run } from "../src/cli/run.js";
import type { Ended } from "./cli-support.js";

/** Where data is carried to. */
export type TargetName = "the same servers" | "etcd 3.4 without v2" | "etcd 3.5 without v2";

/** Servers with v2 data, others without the v2 API, and what the tests of one file do with them. */
export interface MigrateGround {
  /** etcd 3.4 with the v2 API. */
  readonly source: Cluster;
  target(name: TargetName): Cluster;
  /** v2's keys. */
  readonly v2: KeysAPI;
  /** Keys of a v3 store as programs read them after the switch. */
  v3(name: TargetName, namespace: string): KeysAPI;
  /** A fresh file name for a state. */
  stateFile(): string;
  /** Runs `etcd2 migrate` to its end, in this process and without a terminal. @param env in place of the environment */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended>;
  /** A client that is closed at the end. */
  client(endpoints: readonly string[], options?: Partial<ClientOptions>): Client;
}

/** Starts the servers for the tests of the calling file. Must be called once, before any test. */
export function migrateGround(): MigrateGround {
  const clusters = new Map<TargetName, Cluster>();
  const clients: Client[] = [];
  const folder = mkdtempSync(join(tmpdir(), "etcd2-migrate-"));
  let count = 0;
  before(async () => {
    const fast = { heartbeatMs: 20, electionMs: 200 };
    const started = await Promise.all([
      startCluster({ bin: find("etcd"), enableV2: true, ...fast }),
      startCluster({ bin: find("etcd"), enableV2: false, ...fast }),
      startCluster({ bin: find("etcd-3.5"), enableV2: false, ...fast }),
    ]);
    const names = ["the same servers", "etcd 3.4 without v2", "etcd 3.5 without v2"] as const;
    for (const [i, cluster] of started.entries()) clusters.set(names[i] ?? "the same servers", cluster);
  });
  after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all([...clusters.values()].map((cluster) => cluster.stop()));
    rmSync(folder, { recursive: true, force: true });
  });
  const target = (name: TargetName): Cluster => {
    const cluster = clusters.get(name);
    if (cluster === undefined) throw new Error("the clusters exist only while tests run");
    return cluster;
  };
  const client: MigrateGround["client"] = (endpoints, options) => {
    const made = new Client({ endpoints, ...options });
    clients.push(made);
    return made;
  };
  let v2: KeysAPI | undefined;
  return {
    get source() {
      return target("the same servers");
    },
    target,
    get v2() {
      return (v2 ??= new KeysAPI(client(target("the same servers").endpoints)));
    },
    v3: (name, namespace) =>
      new KeysAPI(client(target(name).endpoints, { protocol: v3Protocol({ namespace }), retryForMs: 10_000 })),
    stateFile: () => join(folder, `state-${String(++count)}.json`),
    run: async (args, env = {}) => {
      const [out, err] = [new Collected(), new Collected()];
      const { signal } = new AbortController();
      const io = { stdin: Readable.from([]), stdout: out, stderr: err, env, signal };
      const code = await run(["migrate", ...args], io);
      return { code, out: out.text, err: err.text };
    },
    client,
  };
}

/** Collects everything that is written to it. */
class Collected extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** All keys below a directory: the value of each file, "/" for a directory; with "+" if it has a TTL. */
export async function treeOf(keys: KeysAPI, key: string): Promise<Record<string, string>> {
  const tree: Record<string, string> = {};
  const add = (node: KeyNode): void => {
    tree[node.key] = `${node.dir ? "/" : node.value}${node.ttl === undefined ? "" : " +"}`;
    node.nodes.forEach(add);
  };
  add((await keys.get(key, { recursive: true, quorum: true })).node);
  return tree;
}
