import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { EtcdVersion } from "../server/messages.js";
import { withFake } from "./test-kit/fake-driver.js";
import { recordedCases } from "./test-kit/recordings.js";
import { replay } from "./test-kit/replay.js";

const cases = recordedCases();
const versions: readonly EtcdVersion[] = ["3.3", "3.4", "3.5"];
/** About connections, which a transport does not have. */
const ofConnections: readonly string[] = ["set-long-line"];

for (const way of ["http", "transport"] as const)
  for (const version of versions)
    test(`recordings: the fake answers over ${way} as etcd ${version} did (${way === "http" ? "X5" : "X4"})`, async (t) => {
      const played = cases.filter(
        ({ id, versions: of }) => of.includes(version) && (way === "http" || !ofConnections.includes(id)),
      );
      const failures: string[] = [];
      for (const recorded of played)
        await withFake(recorded, version, way, (driver) => replay(recorded, version, driver)).catch((error: unknown) =>
          failures.push(error instanceof Error ? error.message : String(error)),
        );
      report(t, version, way, played.length, failures.length);
      assert.equal(failures.length, 0, failures.join("\n\n"));
    });

function report(t: TestContext, version: string, way: string, all: number, failed: number): void {
  t.diagnostic(`etcd ${version} over ${way}: ${String(all - failed)} of ${String(all)} recorded cases`);
}
