import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { AuthUserAPI } from "../core/auth.js";
import { Client } from "../core/client.js";
import type { ClientOptions } from "../core/client-options.js";
import { KeysAPI } from "../core/keys.js";
import { MembersAPI } from "../core/members.js";
import type { Exchange } from "../http/exchange.js";
import { errorCode } from "../util/plain-cause.js";

// runs in a process of its own, in which nothing is loaded yet that the first call loads
const [, , program = ""] = process.argv;

const requests: string[] = [];
const transport: Exchange = (url, { method, body = "" }) => {
  requests.push(`${method} ${url.pathname}${url.search} ${body}`.trim());
  const headers = { "x-etcd-index": "7" };
  const read = '{"action":"get","node":{"key":"/a","createdIndex":7,"modifiedIndex":7}}';
  return Promise.resolve({ status: 200, headers, body: read });
};

function clientOf(options: Partial<ClientOptions> = {}): Client {
  return new Client({ endpoints: ["http://a:2379"], transport, ...options });
}

/** Opens files until none can be opened. @returns closes them */
function takeDescriptors(): () => void {
  const files: number[] = [];
  try {
    for (;;) files.push(openSync(devNull, "r"));
  } catch {
    // none is left
  }
  return () => {
    for (const file of files) closeSync(file);
  };
}

async function ending(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "done",
    (error: unknown) => errorCode(error) ?? String(error),
  );
}

/** The caller changes each argument as soon as the call has returned its promise. */
async function changed(client: Client): Promise<readonly string[]> {
  const keys = new KeysAPI(client);
  const condition = { prevIndex: 5 };
  const read = { recursive: true };
  const [roles, urls] = [["a"], ["http://a:2380"]];
  const spec: { method: "GET"; path: string } = { method: "GET", path: "/v2/stats/self" };
  const calls = [
    keys.set("/k", "v", condition),
    keys.delete("/k", condition),
    keys.get("/k", read),
    new AuthUserAPI(client).grant("u", roles),
    new MembersAPI(client).update("a1", urls),
    client.send(spec),
  ];
  [condition.prevIndex, read.recursive, roles[0], urls[0], spec.path] = [6, false, "b", "http://b:2380", "/other"];
  await Promise.allSettled(calls);
  return requests.toSorted();
}

/** Calls that begin while the process has no file descriptor, which become free a moment later. */
async function waiting(client: Client): Promise<readonly string[]> {
  const keys = new KeysAPI(client);
  const free = takeDescriptors();
  const end = new AbortController();
  const calls = [
    keys.get("/k"),
    keys.watcher("/k").next(),
    client.version(),
    client.ready(),
    client.autoSync(60_000, { signal: end.signal }),
    new MembersAPI(client).list(),
    new KeysAPI(clientOf({ retryForMs: 0 })).get("/k"),
    new KeysAPI(clientOf({ retryForMs: 0 })).get("/k", { retryForMs: 60_000 }),
  ].map(ending);
  await calls[6];
  free();
  await calls[0];
  end.abort("aborted");
  return Promise.all(calls);
}

/** Calls that wait for a file descriptor when the client is closed. */
async function closing(client: Client): Promise<readonly string[]> {
  const free = takeDescriptors();
  const end = new AbortController();
  const aborted = ending(new KeysAPI(client).get("/k", { signal: end.signal }));
  end.abort("aborted");
  const calls = [aborted, ending(client.version()), ending(client.ready()), ending(client.autoSync(60_000))];
  await client.close();
  const endings = await Promise.all(calls);
  free();
  return endings;
}

const programs: Readonly<Record<string, (client: Client) => Promise<readonly string[]>>> = {
  changed,
  waiting,
  closing,
};
const client = clientOf({ retryForMs: 60_000 });
process.stdout.write(JSON.stringify(await programs[program]?.(client)));
await client.close();
