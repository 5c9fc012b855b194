import type { TestContext } from "node:test";
import { Client } from "../../core/index.js";
import { MemoryProxy } from "../../test-kit/memory-proxy.js";
import { SuiteServer } from "../../test-kit/suite-server.js";
import { createFakeEtcd, globalClock, type FakeEtcd } from "../../testing/index.js";

/** One fake etcd for all tests of a suite, on the test's clock. */
export function fakeEtcdOfSuite(): SuiteServer<FakeEtcd, Client> {
  return new SuiteServer(
    () => createFakeEtcd({ clock: globalClock() }),
    ({ endpoints, transport }) => new Client({ endpoints, transport }),
  );
}

/** A client of its own for a test, and its way to the fake, which can be cut. */
export function cuttableClient(
  t: TestContext,
  { endpoints, transport }: FakeEtcd,
): { readonly client: Client; readonly way: MemoryProxy } {
  const way = new MemoryProxy(transport);
  const client = new Client({ endpoints, transport: way.exchange });
  t.after(async () => {
    await client.close();
    await way.close();
  });
  return { client, way };
}
