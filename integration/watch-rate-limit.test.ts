import assert from "node:assert/strict";
import test from "node:test";
import { Nginx } from "./test-kit/nginx.js";
import { freePorts } from "./test-kit/server-process.js";
import { Client, EtcdError, KeysAPI, Mirror, ResponseError } from "../src/core/index.js";
import { createDiscovery } from "../src/discovery/index.js";
import { until } from "../src/test-kit/waiting.js";
import { take } from "./discovery-support.js";
import { ownMember } from "./support.js";

/** An nginx before one etcd that lets two requests through and then twenty per second; all others get 429. */
async function startRateLimiter(etcd: string): Promise<Nginx & { readonly url: string }> {
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${String(port)}`;
  const nginx = new Nginx({
    http: () => `limit_req_zone $binary_remote_addr zone=clients:1m rate=20r/s; limit_req_status 429;
      server {
        listen 127.0.0.1:${String(port)};
        location / { limit_req zone=clients burst=2 nodelay; proxy_pass ${etcd}; proxy_buffering off; proxy_read_timeout 1h; }
        location = /healthy { return 204; }
      }`,
    isUp: async () => (await fetch(`${url}/healthy`)).status === 204,
  });
  await nginx.start();
  return Object.assign(nginx, { url });
}

test("watch: 20 watches behind a rate limiter all continue after its restart, although it refuses most at first (FF7)", async (t) => {
  await using own = await ownMember();
  const url = own.endpoints[0] ?? assert.fail();
  await using nginx = await startRateLimiter(url);
  await using direct = new Client({ endpoints: [url] });
  await using client = new Client({ endpoints: [nginx.url] });
  const keys = new KeysAPI(direct);
  const names = Array.from({ length: 10 }, (_, i) => `s${String(i)}`);
  const end = new AbortController();
  t.after(() => {
    end.abort();
  });
  const errors: unknown[] = [];
  const mirrors = names.map((name) => {
    const mirror = new Mirror(new KeysAPI(client), `/d/${name}`, { onError: (error) => errors.push(error) });
    const ended = (async () => {
      for (;;) await mirror.next(end.signal);
    })().catch((error: unknown) => error);
    return { mirror, ended };
  });
  const discovery = createDiscovery({ client, hostname: "box", onWarning: ({ error }) => errors.push(error) });
  const subscriptions = names.map((name) => discovery.subscribeNew(name));
  await Promise.all(subscriptions.map(({ ready }) => ready));
  await until("all mirrors have read", () => mirrors.every(({ mirror }) => mirror.index > 0));
  await until("all 20 watches wait", async () => (await watchersAt(direct)) >= 20);
  const before = errors.filter(isRefusal).length;
  const hasRefused = (): boolean => errors.filter(isRefusal).length >= before + 10;
  // on a machine that stalls the watches may come back one by one, and none is refused: then it restarts again
  for (let restarts = 0; restarts < 10 && !hasRefused(); restarts++) {
    await nginx.kill();
    await until("all watches have ended", async () => (await watchersAt(direct)) === 0);
    await nginx.start();
    await until("it has refused some, or all wait again", async () => hasRefused() || (await watchersAt(direct)) >= 20);
  }
  assert.ok(hasRefused());
  for (const name of names) {
    await keys.set(`/d/${name}/a`, "1");
    await keys.set(`/services/${name}/u`, `{"name":"h","service_name":"${name}","ports":null,"uuid":"u"}`);
  }
  await until("all mirrors go on", () => mirrors.every(({ mirror }) => mirror.nodes.size === 1));
  for (const subscription of subscriptions) {
    assert.equal((await take(subscription, 1))[0]?.uuid, "u");
    await subscription.close();
  }
  end.abort();
  for (const { ended } of mirrors) assert.equal(await ended, end.signal.reason);
});

function isRefusal(error: unknown): boolean {
  return (error instanceof ResponseError || error instanceof EtcdError) && error.status === 429;
}

async function watchersAt(client: Client): Promise<number> {
  const { body } = await client.send({ method: "GET", path: "/v2/stats/store" });
  return (JSON.parse(body) as { readonly watchers: number }).watchers;
}
