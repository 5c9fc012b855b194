import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import test, { after, before } from "node:test";
import { startCluster, type Cluster } from "./test-kit/etcd.js";
import { find } from "../scripts/servers/programs.mjs";
import { Client, ClusterError, EndpointError, KeysAPI, MembersAPI, type Outcome } from "../src/core/index.js";
import type { TlsOptions } from "../src/core/index.js";
import { rejection } from "../src/test-kit/scripted-cluster.js";
import { clientOf } from "../src/test-kit/scripted-server.js";
import { HeaderWatch } from "../src/test-kit/waiting.js";
import {
  makeCertificates,
  memberTls,
  passphrase,
  pem,
  wrongHostName,
  type Certificates,
  type CertificateName,
} from "./certificates.js";

let certificates: Certificates;
/** One member each; all but `plain` require a client certificate. */
const servers = {} as Record<"good" | "expired" | "wrongHost" | "plain", Cluster>;

before(async () => {
  certificates = makeCertificates();
  const bin = find("etcd");
  const member = (
    name: CertificateName,
    advertiseClientUrls?: (member: { url: string }) => readonly string[],
  ): Promise<Cluster> => startCluster({ bin, tls: memberTls(certificates, name), advertiseClientUrls });
  const [good, expired, wrongHost, plain] = await Promise.all([
    member("server", ({ url }) => [url.replace("https:", "http:"), url.replace("127.0.0.1", "localhost")]),
    member("expired", ({ url }) => [url.replace("https:", "http:")]),
    member("wrongHost"),
    startCluster({ bin }),
  ]);
  Object.assign(servers, { good, expired, wrongHost, plain });
});

after(async () => {
  await Promise.all(Object.values(servers).map((cluster) => cluster.stop()));
  certificates[Symbol.dispose]();
});

function url(server: keyof typeof servers): string {
  return servers[server].endpoints[0] ?? assert.fail();
}

/** What works with the good server. */
function goodTls(): TlsOptions & { readonly ca: Buffer } {
  return {
    ca: pem(certificates.cert("ca")),
    cert: pem(certificates.cert("client")),
    key: pem(certificates.key("client")),
  };
}

function connect(
  t: test.TestContext,
  endpoint: string,
  tls: TlsOptions,
): { readonly client: Client; readonly keys: KeysAPI } {
  const client = new Client({ endpoints: [endpoint], tls });
  t.after(() => client.close());
  return { client, keys: new KeysAPI(client) };
}

test("tls: a long poll has TCP keep-alive, so that a host that vanishes is noticed", { timeout: 20_000 }, async (t) => {
  // only Linux has this table of the kernel
  if (process.platform !== "linux") return;
  const { client, keys } = connect(t, url("good"), goodTls());
  const begun = new HeaderWatch(client);
  const came = begun.headers();
  const waiting = new KeysAPI(begun)
    .watcher("/kept-alive")
    .next()
    .catch((error: unknown) => error);
  await came;
  const port = Number(new URL(url("good")).port);
  // 02 is the timer of keep-alive, once nothing is on its way any more
  while (!timersTo(port).every((timer) => timer === "02")) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(timersTo(port).length, 1);
  await keys.set("/kept-alive", "now");
  await waiting;
});

/** The kernel's timer of each connection of this process to the given port, from /proc/net/tcp. */
function timersTo(port: number): readonly string[] {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const ours = new Set(readdirSync("/proc/self/fd").map((fd) => linkOf(`/proc/self/fd/${fd}`)));
  const rows = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .slice(1)
    .map((row) => row.trim().split(/\s+/));
  return rows
    .filter(
      ([, , to, state, , , , , , inode = ""]) =>
        state === "01" && to?.endsWith(remote) === true && ours.has(`socket:[${inode}]`),
    )
    .map((row) => row[5]?.slice(0, 2) ?? "");
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    // the descriptor by which the folder was read
    return "";
  }
}

interface Refusal {
  readonly name: string;
  readonly endpoint: () => string;
  readonly tls?: () => TlsOptions;
  /** The hint in the message. */
  readonly hint: RegExp;
  /** The outcome of a write. */
  readonly outcome: Outcome;
}

/** About 1 in 200 wrong passphrases decrypts to something that is not a key. */
const passphraseHint =
  /tls\.key (?:is encrypted: pass its passphrase as tls\.passphrase|cannot be read: .* tls\.passphrase must be its own)/;

const refusals: readonly Refusal[] = [
  {
    name: "the server's CA is not known",
    endpoint: () => url("good"),
    tls: () => ({ ...goodTls(), ca: undefined }),
    hint: /certificate comes from a CA that is not known here: pass that CA as tls\.ca/,
    outcome: "notApplied",
  },
  {
    name: "another CA is given",
    endpoint: () => url("good"),
    tls: () => ({ ...goodTls(), ca: pem(certificates.cert("foreignCa")) }),
    hint: /certificate comes from a CA that is not known here: pass that CA as tls\.ca/,
    outcome: "notApplied",
  },
  {
    name: "the server's certificate has expired",
    endpoint: () => url("expired"),
    tls: goodTls,
    hint: /certificate has expired: renew it/,
    outcome: "notApplied",
  },
  {
    name: "the server's certificate is for another host",
    endpoint: () => url("wrongHost"),
    tls: goodTls,
    hint: /for another host: use a name that it lists, or pass one as tls\.servername/,
    outcome: "notApplied",
  },
  {
    name: "no client certificate",
    endpoint: () => url("good"),
    tls: () => ({ ca: goodTls().ca }),
    hint: /wants a client certificate, or refuses the one it got: pass tls\.cert and tls\.key/,
    outcome: "notApplied",
  },
  {
    name: "a client certificate of a foreign CA",
    endpoint: () => url("good"),
    tls: () => ({
      ca: goodTls().ca,
      cert: pem(certificates.cert("foreignClient")),
      key: pem(certificates.key("foreignClient")),
    }),
    hint: /wants a client certificate, or refuses the one it got: pass tls\.cert and tls\.key from a CA that it trusts/,
    outcome: "notApplied",
  },
  {
    name: "https to a plain port",
    endpoint: () => url("plain").replace("http:", "https:"),
    tls: goodTls,
    hint: /if it does not speak TLS, use http:/,
    outcome: "notApplied",
  },
  // the request was sent before the connection closed: whether the server applied it is unknown
  {
    name: "http to a TLS port",
    endpoint: () => url("good").replace("https:", "http:"),
    hint: /if it speaks TLS, use https:/,
    outcome: "unknown",
  },
  {
    name: "an encrypted key without its passphrase",
    endpoint: () => url("good"),
    tls: () => ({ ...goodTls(), key: pem(certificates.encryptedClientKey) }),
    hint: passphraseHint,
    outcome: "notApplied",
  },
  {
    name: "an encrypted key with another passphrase",
    endpoint: () => url("good"),
    tls: () => ({ ...goodTls(), key: pem(certificates.encryptedClientKey), passphrase: "a wrong one" }),
    hint: passphraseHint,
    outcome: "notApplied",
  },
  {
    name: "a key of another certificate",
    endpoint: () => url("good"),
    tls: () => ({ ...goodTls(), key: pem(certificates.key("foreignClient")) }),
    hint: /tls\.key does not belong to tls\.cert/,
    outcome: "notApplied",
  },
  {
    name: "a certificate whose PEM is broken",
    endpoint: () => url("good"),
    tls: () => ({ ...goodTls(), cert: "-----BEGIN CERTIFICATE-----\nno base64\n-----END CERTIFICATE-----\n" }),
    hint: /tls\.cert and tls\.key must be PEM/,
    outcome: "notApplied",
  },
];

for (const { name, endpoint, tls, hint, outcome } of refusals) {
  test(`tls: ${name}: reads, writes and watches fail with a hint; the outcome of a write is ${outcome}`, async (t) => {
    const { keys } = connect(t, endpoint(), tls?.() ?? {});
    for (const [call, expected] of [
      [() => keys.get("/k"), "notApplied"],
      [() => keys.create("/k", "v"), outcome],
      [() => keys.delete("/k"), outcome],
      [() => keys.watcher("/k").next(), "notApplied"],
    ] as const) {
      const error = await rejection<ClusterError>(call(), ClusterError);
      assert.deepEqual([error.code, error.outcome, error.errors.length], ["ERR_CLUSTER_UNAVAILABLE", expected, 1]);
      const [attempt] = error.errors;
      assert.ok(attempt instanceof EndpointError);
      assert.deepEqual([attempt.code, attempt.outcome, attempt.endpoint], ["ERR_NETWORK", expected, endpoint()]);
      assert.match(attempt.message, hint);
      assert.match(error.message, hint);
      assert.doesNotMatch(attempt.message, /\n|a wrong one|PRIVATE KEY/);
    }
  });
}

test("tls: a client certificate, an encrypted key with its passphrase, PEM as text and several CAs work", async (t) => {
  const good = goodTls();
  for (const tls of [
    good,
    { ...good, key: pem(certificates.encryptedClientKey), passphrase },
    {
      ca: good.ca.toString(),
      cert: pem(certificates.cert("client")).toString(),
      key: pem(certificates.key("client")).toString(),
    },
    { ...good, ca: [pem(certificates.cert("foreignCa")), good.ca] },
    { cert: pem(certificates.cert("client")), key: pem(certificates.key("client")), rejectUnauthorized: false },
  ]) {
    const { keys } = connect(t, url("good"), tls);
    await keys.set("/tls", "v");
    assert.equal((await keys.get("/tls")).node.value, "v");
  }
});

test("tls: with servername, a certificate for that other name is accepted", async (t) => {
  const { keys } = connect(t, url("wrongHost"), { ...goodTls(), servername: wrongHostName });
  await keys.set("/k", "v");
});

test("tls: a watch works over TLS, and a call can be aborted during the handshake", async (t) => {
  const { keys } = connect(t, url("good"), goodTls());
  const { index } = await keys.set("/watched", "1");
  const watcher = keys.watcher("/watched", { afterIndex: index });
  const event = watcher.next();
  await keys.set("/watched", "2");
  assert.equal((await event).node.value, "2");
  const fresh = connect(t, url("good"), goodTls());
  const abort = new AbortController();
  const pending = fresh.keys.get("/watched", { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(pending, (error) => error === abort.signal.reason);
});

test("tls: a write refused during the handshake fails over to the next endpoint, even a one-shot write", async (t) => {
  const refusing = [url("wrongHost"), url("expired"), url("plain").replace("http:", "https:")];
  const client = clientOf([...refusing, url("good")], { tls: goodTls() });
  t.after(() => client.close());
  const keys = new KeysAPI(client);
  const { node } = await keys.createInOrder("/queue", "j");
  assert.equal(client.endpoints[0], url("good"));
  assert.deepEqual(
    (await keys.get("/queue")).node.nodes.map(({ key }) => key),
    [node.key],
  );
});

test("tls: keys above 4096 bytes work", async (t) => {
  const { keys } = connect(t, url("good"), goodTls());
  const key = `/${"k".repeat(20_000)}`;
  const { node } = await keys.create(key, "v");
  assert.equal(node.key, key);
  const swapped = await keys.set(key, "w", { prevValue: "v" });
  assert.equal(swapped.action, "compareAndSwap");
  await keys.delete(key);
});

test("tls: if only https is configured, sync leaves out http URLs, and keeps the list if there are no others (D11)", async (t) => {
  const { client, keys } = connect(t, url("good"), goodTls());
  await client.sync();
  assert.deepEqual(client.endpoints, [url("good").replace("127.0.0.1", "localhost")]);
  await keys.set("/synced", "v");

  const expired = connect(t, url("expired"), { ...goodTls(), rejectUnauthorized: false });
  assert.deepEqual(
    (await new MembersAPI(expired.client).list()).map(({ clientURLs }) => clientURLs),
    [[url("expired").replace("https:", "http:")]],
  );
  assert.equal((await rejection(expired.client.sync(), ClusterError)).code, "ERR_NO_ENDPOINTS");
  assert.deepEqual(expired.client.endpoints, [url("expired")]);
});
