import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import test, { after, before } from "node:test";
import dns2 from "dns2";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { Client, ClusterError, KeysAPI, SrvDiscoverer } from "../src/core/index.js";
import { rejection } from "../src/test-kit/scripted-cluster.js";

/**
 * The records of the name server: host, port and priority of each SRV record of a name. No host ends as its name does:
 * dns2 would write the host as a pointer to the name, which RFC 2782 forbids and Node 22 refuses.
 */
const zone = new Map<string, readonly (readonly [target: string, port: number, priority: number])[]>();
/** The names that were looked up. */
const asked: string[] = [];

let cluster: Cluster;
let resolver: Resolver;

const { Packet } = dns2;
/** RFC 1035: there is no such name. */
const nameError = 3;
const server = dns2.createServer({
  udp: true,
  handle(request, send) {
    const response = Packet.createResponseFromRequest(request);
    for (const question of request.questions) {
      asked.push(question.name);
      const records = zone.get(question.name);
      if (records === undefined) response.header.rcode = nameError;
      for (const [target, port, priority] of records ?? []) {
        response.answers.push(
          Packet.createResourceFromQuestion(question, { ttl: 1, priority, weight: 0, port, target }),
        );
      }
    }
    void send(response);
  },
});

before(async () => {
  cluster = await startCluster({ bin: find("etcd") });
  await server.listen({ udp: { port: 0, address: "127.0.0.1" } });
  const { udp } = server.addresses();
  resolver = new Resolver({ timeout: 10_000, tries: 2 });
  resolver.setServers([`127.0.0.1:${String(udp?.port)}`]);
  const port = Number(new URL(cluster.endpoints[0] ?? "").port);
  zone.set("_etcd-client._tcp.etcd.test", [
    ["127.0.0.1", 1, 20],
    ["localhost", port, 10],
  ]);
  zone.set("_etcd-client-ssl-blue._tcp.etcd.test", [["m1.blue.example", 2379, 0]]);
  zone.set("_etcd-client-blue._tcp.etcd.test", [["m1.blue.example", 2380, 0]]);
});

after(async () => {
  await server.close();
  await cluster.stop();
});

test("srv: endpoints from a real name server make a working client (A114)", async () => {
  const endpoints = await new SrvDiscoverer({ resolver }).discover("etcd.test");
  const port = new URL(cluster.endpoints[0] ?? "").port;
  assert.deepEqual(endpoints, [`http://localhost:${port}`, "http://127.0.0.1:1"]);
  assert.deepEqual([...new Set(asked)].sort(), ["_etcd-client-ssl._tcp.etcd.test", "_etcd-client._tcp.etcd.test"]);
  await using client = new Client({ endpoints });
  const keys = new KeysAPI(client);
  await keys.set("/found", "by name");
  assert.equal((await keys.get("/found")).node.value, "by name");
});

test("srv: for a named service https alone is returned, or https before http (A113, A116, D18)", async () => {
  assert.deepEqual(await new SrvDiscoverer({ resolver }).discover("etcd.test", "blue"), [
    "https://m1.blue.example:2379",
  ]);
  const both = await new SrvDiscoverer({ resolver, allowInsecure: true }).discover("etcd.test", "blue");
  assert.deepEqual(both, ["https://m1.blue.example:2379", "http://m1.blue.example:2380"]);
});

test("srv: if neither name exists, one error names both (A115)", async () => {
  const error = await rejection(new SrvDiscoverer({ resolver }).discover("other.test"), ClusterError);
  assert.equal(error.code, "ERR_NO_ENDPOINTS");
  assert.match(
    error.message,
    /_etcd-client-ssl\._tcp\.other\.test failed: .*ENOTFOUND.*_etcd-client\._tcp\.other\.test failed: .*ENOTFOUND/,
  );
});
