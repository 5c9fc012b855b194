// Keeps a file of nginx upstreams in sync with a registry in etcd, and makes nginx reload it:
//
//   node dist/examples/nginx-upstreams.js --endpoint http://127.0.0.1:2379 --file /etc/nginx/conf.d/upstreams.conf -- nginx -s reload
//
// A service web in namespace default becomes `upstream default_web { ... }`, for `proxy_pass http://default_web;`. The
// file is replaced as a whole, by renaming, and not before etcd has been read: while etcd is down, nginx keeps what it has.
// nginx refuses a file for a single bad entry, so an entry that it would refuse is left out and reported.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rename, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Client } from "etcd2";
import { ConfigSourceEtcd, EndpointsConfig, ServiceConfig, type Endpoints, type Service } from "etcd2/config";

/** Changes that come within this time make one file, in ms. */
const settleMs = 50;
/** Time between two reloads at least, also after a reload that failed, in ms: each reload starts new workers. */
const reloadEveryMs = 1_000;

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
  let reported: ReadonlySet<string> = new Set();
  while (!end.signal.aborted) {
    const next = change;
    const { text, leftOut } = render(services.config(), endpoints.config());
    for (const entry of leftOut) if (!reported.has(entry)) console.error(`left out: ${entry}`);
    reported = new Set(leftOut);
    if (text !== written) await replaceFile(path, text);
    written = text;
    const reloadAtMs = performance.now() + reloadEveryMs;
    if (text !== reloaded && (await succeeds(reload, args))) {
      reloaded = text;
      console.log(`${path}: ${String(services.config().length)} services`);
    }
    if (text === reloaded) await next;
    await sleep(Math.max(settleMs, reloadAtMs - performance.now()), undefined, { signal: end.signal });
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

/** The file, and what nginx would refuse: what is in etcd must not become directives, either. */
function render(
  allServices: readonly Service[],
  allEndpoints: readonly Endpoints[],
): { readonly text: string; readonly leftOut: readonly string[] } {
  const leftOut: string[] = [];
  const endpointsOf = new Map(allEndpoints.map((each) => [idOf(each), each.endpoints]));
  const names = new Set<string>();
  // nginx compares the names of upstreams without regard to case: of two such names the one in lower case counts
  const isLower = (service: Service): boolean => idOf(service) === idOf(service).toLowerCase();
  const ordered = [...allServices.filter(isLower), ...allServices.filter((service) => !isLower(service))];
  const blocks = ordered.flatMap((service) => {
    const id = idOf(service);
    const name = upstreamName(service);
    if (name === undefined || names.has(name.toLowerCase())) {
      leftOut.push(
        `service ${id}, ${name === undefined ? "whose name nginx would refuse" : `since there is a ${name}`}`,
      );
      return [];
    }
    names.add(name.toLowerCase());
    const servers = (endpointsOf.get(id) ?? []).flatMap(({ ip, port }) => {
      // an IPv6 address with a zone is one for Node, but not for nginx
      if (isIP(ip) !== 0 && !ip.includes("%") && port > 0)
        return [`  server ${isIP(ip) === 6 ? `[${ip}]` : ip}:${String(port)};`];
      leftOut.push(`an endpoint of ${id}, ${JSON.stringify(ip)} with port ${String(port)}`);
      return [];
    });
    const affinity = service.spec.sessionAffinity === "ClientIP" ? ["  ip_hash;"] : [];
    // nginx needs at least one; with this one it responds with 502
    return [`upstream ${name} {`, ...affinity, ...(servers.length > 0 ? servers : ["  server 127.0.0.1:1 down;"]), "}"];
  });
  return { text: [...blocks, ""].join("\n"), leftOut };
}

/** For messages, and to find the endpoints of a service. */
function idOf({ metadata: { namespace, name } }: Service | Endpoints): string {
  return JSON.stringify(`${namespace}/${name}`);
}

/**
 * `namespace_name`, `_name` without a namespace: a name of one upstream only, since neither part may contain a `_`, and
 * never that of a host, for which nginx would not allow a port. undefined for a name that nginx would refuse.
 */
function upstreamName({ metadata: { namespace, name } }: Service | Endpoints): string | undefined {
  const isPlain = [namespace === "" ? "none" : namespace, name].every((part) =>
    /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/.test(part),
  );
  return isPlain ? `${namespace}_${name}` : undefined;
}
