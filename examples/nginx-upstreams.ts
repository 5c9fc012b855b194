// Keeps a file of nginx upstreams in step with a registry in etcd, and has nginx reload it:
//
//   node dist/examples/nginx-upstreams.js --endpoint http://127.0.0.1:2379 --file /etc/nginx/conf.d/upstreams.conf -- nginx -s reload
//
// A service web in namespace default becomes `upstream default_web { ... }`, for `proxy_pass http://default_web;`. The
// file is replaced whole, by renaming, and never before etcd has been read: while etcd is down, nginx keeps what it has.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rename, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Client } from "etcd2";
import { ConfigSourceEtcd, EndpointsConfig, ServiceConfig, type Endpoints, type Service } from "etcd2/config";

/** Changes that come together make one file, in ms. */
const settleMs = 50;
/** Pause before a reload that failed is tried again, in ms. */
const retryMs = 500;

const { values, positionals } = parseArgs({
  options: { endpoint: { type: "string", multiple: true }, file: { type: "string" }, root: { type: "string" } },
  allowPositionals: true,
});
const [command, ...commandArgs] = positionals;
const { file } = values;
if (file === undefined || command === undefined) {
  console.error("usage: nginx-upstreams [--endpoint URL]... [--root KEY] --file FILE -- COMMAND [ARGUMENT]...");
  process.exit(2);
}

const end = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.once(name, () => {
    end.abort();
  });

await using client = new Client({ endpoints: values.endpoint ?? ["http://127.0.0.1:2379"] });
await using services = new ServiceConfig();
await using endpoints = new EndpointsConfig();
await using source = new ConfigSourceEtcd({
  client,
  root: values.root,
  services: services.channel("etcd"),
  endpoints: endpoints.channel("etcd"),
  signal: end.signal,
  onWarning: ({ message, key = "" }) => {
    console.error(`${message} ${key}`);
  },
});

let changed = (): void => undefined;
let change = new Promise<void>((resolve) => (changed = resolve));
const wake = (): void => {
  changed();
  change = new Promise<void>((resolve) => (changed = resolve));
};
services.registerHandler(wake);
endpoints.registerHandler(wake);
void source.closed.then((error) => {
  if (error !== undefined) {
    console.error("the source has ended:", error);
    process.exitCode = 1;
  }
  end.abort();
  wake();
});

try {
  await source.synced;
  await keepInStep(file, command, commandArgs);
} catch (error) {
  if (!end.signal.aborted) throw error;
}

async function keepInStep(path: string, reload: string, args: readonly string[]): Promise<void> {
  let written: string | undefined;
  let reloaded: string | undefined;
  while (!end.signal.aborted) {
    const next = change;
    const text = render(services.config(), endpoints.config());
    if (text !== written) await replaceFile(path, text);
    written = text;
    if (text !== reloaded && (await succeeds(reload, args))) {
      reloaded = text;
      console.log(`${path}: ${String(services.config().length)} services`);
    }
    if (text === reloaded) await next;
    await sleep(text === reloaded ? settleMs : retryMs, undefined, { signal: end.signal });
  }
}

/** Readers see the old file or the new one, never half of it. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${String(process.pid)}.tmp`;
  await writeFile(temporary, text, { flush: true });
  await rename(temporary, path);
}

async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  try {
    const [code] = (await once(child, "exit")) as [number | null];
    return code === 0;
  } catch (error) {
    console.error(String(error));
    return false;
  }
}

function render(allServices: readonly Service[], allEndpoints: readonly Endpoints[]): string {
  const addressesOf = new Map(allEndpoints.map((each) => [upstreamName(each), each.endpoints]));
  const blocks = allServices.flatMap((service) => {
    const name = upstreamName(service);
    if (name === undefined) return [];
    // what is in etcd must not become directives of nginx
    const servers = (addressesOf.get(name) ?? [])
      .filter(({ ip }) => isIP(ip) !== 0)
      .map(({ ip, port }) => `  server ${isIP(ip) === 6 ? `[${ip}]` : ip}:${String(port)};`);
    const affinity = service.spec.sessionAffinity === "ClientIP" ? ["  ip_hash;"] : [];
    // nginx wants one at least; this one answers 502
    return [`upstream ${name} {`, ...affinity, ...(servers.length > 0 ? servers : ["  server 127.0.0.1:1 down;"]), "}"];
  });
  return [...blocks, ""].join("\n");
}

/** `namespace_name`, which cannot be two services, since neither may hold a `_`; undefined for names that nginx would not take as they are. */
function upstreamName({ metadata: { namespace, name } }: Service | Endpoints): string | undefined {
  const parts = [...(namespace === "" ? [] : [namespace]), name];
  return parts.every((part) => /^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(part)) ? parts.join("_") : undefined;
}
