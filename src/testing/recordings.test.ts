import assert from "node:assert/strict";
import test from "node:test";
import { withFake } from "./test-kit/fake-driver.js";
import { ways } from "./test-kit/fakes.js";
import { playedCases, versions } from "./test-kit/recordings.js";
import { replay } from "./test-kit/replay.js";

for (const way of ways)
  for (const version of versions)
    test(`recordings: the fake responds over ${way} as etcd ${version} did (${way === "http" ? "X5" : "X4"})`, async (t) => {
      const played = playedCases(version, way);
      const failures: string[] = [];
      for (const recorded of played)
        await withFake(recorded, version, way, (driver) => replay(recorded, version, driver)).catch((error: unknown) =>
          failures.push(error instanceof Error ? error.message : String(error)),
        );
      const passed = played.length - failures.length;
      t.diagnostic(`etcd ${version} over ${way}: ${String(passed)} of ${String(played.length)} recorded cases`);
      assert.equal(failures.length, 0, failures.join("\n\n"));
    });
