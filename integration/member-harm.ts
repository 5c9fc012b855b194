import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./test-kit/etcd.js";
import type { Random } from "../src/test-kit/random.js";

/** Freezes or kills one member of three, or kills two, so that there is no majority. Resolves to what repairs it. */
export async function harmMember(
  { members }: Cluster,
  random: Random,
  count: (what: string) => void,
): Promise<() => Promise<void>> {
  const first = random.pick(members);
  if (random.chance(0.4)) {
    count("member frozen");
    first.freeze();
    return () => {
      first.thaw();
      return Promise.resolve();
    };
  }
  await first.kill();
  if (random.chance(0.5)) {
    count("member killed");
    return () => first.start();
  }
  count("majority killed");
  const second = random.pick(members.filter((member) => member !== first));
  await second.kill();
  await sleep(random.next() * 3_000);
  // a member is healthy only where there is a majority
  await second.start();
  return () => first.start();
}
