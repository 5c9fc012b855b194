import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find, versionOf } from "../scripts/servers/programs.mjs";
import type { EtcdVersion } from "../src/server/messages.js";
import { HttpDriver } from "../src/testing/test-kit/http-driver.js";
import { recordedCases, type RecordedCase } from "../src/testing/test-kit/recordings.js";
import { replay, type Driver, type DrivenResponse, type DrivenRequest } from "../src/testing/test-kit/replay.js";

// Checks that a real etcd still responds as recorded. The fake is tested against the recordings, so they must be
// correct.

const bin = find("etcd");
const version = /^3\.[345]/.exec(versionOf("etcd", bin) ?? "")?.[0] as EtcdVersion;
const cases = recordedCases().filter((recorded) => recorded.versions.includes(version));

/** Cases that change members, or need an unused store. */
const needsFresh = ({ id, group, members, enableV2 }: RecordedCase): boolean =>
  members !== undefined || enableV2 === false || group === "auth" || id === "first-index";

// concurrently: both mostly wait for TTLs and for members
describe("recordings on a real etcd", { concurrency: true }, () => {
  test(`recordings: etcd ${version} responds as recorded, case by case on a store that is cleared in between`, async () => {
    await using cluster = await startCluster({ bin });
    const driver = new RealDriver(cluster);
    try {
      for (const recorded of cases.filter((each) => !needsFresh(each))) {
        await clean(driver);
        await replay(recorded, version, driver);
      }
    } finally {
      driver.close();
    }
  });

  test(
    `recordings: etcd ${version} responds as recorded, each case on a fresh cluster`,
    { concurrency: 6 },
    async (t) => {
      const played = cases.filter(needsFresh).map((recorded) =>
        t.test(recorded.id, async () => {
          const { members: size = 1, enableV2 = true, group } = recorded;
          // one member elects itself sooner
          const timing = size === 1 || group === "no leader" ? { heartbeatMs: 20, electionMs: 200 } : {};
          const options = { bin, size, enableV2 };
          await using cluster = await startCluster({ ...options, ...timing });
          const driver = new RealDriver(cluster);
          try {
            await replay(recorded, version, driver);
          } finally {
            driver.close();
          }
        }),
      );
      await Promise.all(played);
    },
  );
});

class RealDriver implements Driver {
  readonly #cluster: Cluster;
  readonly #http: HttpDriver;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#http = new HttpDriver(cluster.endpoints);
  }

  request(member: number, request: DrivenRequest): Promise<DrivenResponse> {
    return this.#http.request(member, request);
  }

  open: Driver["open"] = (member, request) => this.#http.open(member, request);

  pass(ms: number): Promise<void> {
    return sleep(ms);
  }

  async killOthers(member: number): Promise<void> {
    await Promise.all(this.#cluster.members.filter((_other, at) => at !== member).map((other) => other.kill()));
  }

  close(): void {
    this.#http.close();
  }
}

/** Removes all keys, including the few hidden ones that the cases use, which are not listed. */
async function clean(driver: Driver): Promise<void> {
  const ask = (method: string, target: string): Promise<DrivenResponse> =>
    driver.request(0, { method, target, headers: {}, body: "", fresh: false });
  const { body = "" } = await ask("GET", "/v2/keys/");
  const { node } = JSON.parse(body) as { readonly node: { readonly nodes?: readonly { readonly key: string }[] } };
  const names = [...(node.nodes ?? []).map(({ key }) => key), "/_h"];
  for (const name of names) await ask("DELETE", `/v2/keys${encodeURI(name)}?recursive=true`);
}
