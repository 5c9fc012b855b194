// A separate process for config-outage.test.ts: makes one of each source, closes all, and must then end by itself. Argument: the endpoint.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ConfigSourceEtcd,
  ConfigSourceFile,
  EndpointsConfig,
  etcdListerWatcher,
  jsonCodec,
  ServiceConfig,
  SourceAPI,
} from "../src/config/index.js";
import { Client } from "../src/core/index.js";

const [, , endpoint = ""] = process.argv;
const client = new Client({ endpoints: [endpoint] });
const services = new ServiceConfig();
const endpoints = new EndpointsConfig();
const folder = mkdtempSync(join(tmpdir(), "etcd2-config-child-"));
const path = join(folder, "services.json");
writeFileSync(path, '{"Services":[{"Name":"file"}]}');
const sinks = ["etcd", "api", "file"].flatMap((name) => [services.channel(name), endpoints.channel(name)]);

const etcd = new ConfigSourceEtcd({ client, services: services.channel("etcd"), endpoints: endpoints.channel("etcd") });
const api = new SourceAPI({
  services: etcdListerWatcher({
    client,
    path: "/registry/services/specs",
    decode: ({ value }) => jsonCodec.decodeService(value),
  }),
  endpoints: etcdListerWatcher({
    client,
    path: "/registry/services/endpoints",
    decode: ({ value }) => jsonCodec.decodeEndpoints(value),
  }),
  periodMs: 30_000,
  serviceSink: services.channel("api"),
  endpointsSink: endpoints.channel("api"),
});
const file = new ConfigSourceFile({ path, services: services.channel("file"), endpoints: endpoints.channel("file") });
await Promise.all([etcd.synced, api.synced, file.synced]);
console.log(
  services
    .config()
    .map(({ metadata: { namespace, name } }) => (namespace === "" ? name : `${namespace}/${name}`))
    .join(" "),
);

for (const each of [etcd, api, file, services, endpoints]) await each.close();
const refusals = await Promise.all(
  sinks.map((sink) =>
    sink.send({ op: "set", services: [], endpoints: [] }).catch((error: unknown) => (error as { code?: unknown }).code),
  ),
);
console.log(refusals.join(" "));
rmSync(folder, { recursive: true });
await client.close();
console.log("closed");
