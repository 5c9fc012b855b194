import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { clientFromEnv, clientOptionsFromEnv } from "./from-env.js";
import type { Env } from "../util/env.js";
import { log } from "../util/log.js";
import { UsageError } from "../util/errors.js";

const rows: readonly (readonly [string, Env, object])[] = [
  ["nothing is set", {}, { endpoints: ["http://127.0.0.1:2379"] }],
  ["empty variables count as absent", { ETCD_ENDPOINTS: "" }, { endpoints: ["http://127.0.0.1:2379"] }],
  [
    "ETCD_ENDPOINTS goes before etcdctl's",
    { ETCDCTL_ENDPOINTS: "http://b:1", ETCD_ENDPOINTS: "http://a:1, a:2,", ETCD_HOST: "c" },
    { endpoints: ["http://a:1", "http://a:2"] },
  ],
  [
    "etcdctl's go before those of discovery",
    { ETCDCTL_ENDPOINTS: "b:1,https://b:2", ETCD_HOSTS: "c:1" },
    { endpoints: ["http://b:1", "https://b:2"] },
  ],
  ["ETCD_HOSTS goes before ETCD_HOST", { ETCD_HOST: "d:1", ETCD_HOSTS: "c:1" }, { endpoints: ["http://c:1"] }],
  [
    "name and password of etcdctl 2",
    { ETCDCTL_USERNAME: "root", ETCDCTL_PASSWORD: "a:b" },
    { endpoints: ["http://127.0.0.1:2379"], username: "root", password: "a:b" },
  ],
  [
    "name:password goes before ETCDCTL_PASSWORD, split at the first colon",
    { ETCDCTL_USER: "root:x:y", ETCDCTL_USERNAME: "other", ETCDCTL_PASSWORD: "z" },
    { endpoints: ["http://127.0.0.1:2379"], username: "root", password: "x:y" },
  ],
  ["a password without a user is ignored", { ETCDCTL_PASSWORD: "z" }, { endpoints: ["http://127.0.0.1:2379"] }],
  [
    "PEM in base64",
    { ETCD_HOST: "a", ETCD_TLS_INMEMORY: "true", ETCD_CACERT: Buffer.from("-----BEGIN X").toString("base64") },
    { endpoints: ["https://a"], tls: { ca: "-----BEGIN X", cert: undefined, key: undefined } },
  ],
];

for (const [name, env, expected] of rows) {
  test(`clientFromEnv: ${name}`, () => {
    assert.deepEqual(clientOptionsFromEnv(env), expected);
  });
}

test("clientFromEnv: TLS files of etcdctl 3 and 2, which make endpoints without a scheme https", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "etcd2-from-env-"));
  t.after(() => {
    rmSync(folder, { recursive: true });
  });
  const file = (name: string): string => {
    writeFileSync(join(folder, name), name);
    return join(folder, name);
  };
  const [ca, cert, key, other] = ["ca", "cert", "key", "other"].map(file);
  const expected = { endpoints: ["https://a:1", "http://b:1"], tls: { ca: "ca", cert: "cert", key: "key" } };
  const ETCD_ENDPOINTS = "a:1,http://b:1";
  assert.deepEqual(
    clientOptionsFromEnv({
      ETCD_ENDPOINTS,
      ETCDCTL_CACERT: ca,
      ETCDCTL_CERT: cert,
      ETCDCTL_KEY: key,
      ETCD_CACERT: other,
    }),
    expected,
  );
  assert.deepEqual(
    clientOptionsFromEnv({ ETCD_ENDPOINTS, ETCDCTL_CA_FILE: ca, ETCDCTL_CERT_FILE: cert, ETCDCTL_KEY_FILE: key }),
    expected,
  );
  assert.throws(() => clientOptionsFromEnv({ ETCDCTL_CERT: cert }), {
    code: "ERR_ARGUMENT",
    message: /^ETCDCTL_CERT is set, but none of ETCDCTL_KEY, .* is$/,
  });
  assert.throws(() => clientOptionsFromEnv({ ETCDCTL_CACERT: join(folder, "none") }), {
    code: "ERR_ARGUMENT",
    message: "the file named by ETCDCTL_CACERT cannot be read",
  });
});

test("clientFromEnv: creates a client; a bad variable is a UsageError", async () => {
  await using client = clientFromEnv({ ETCD_ENDPOINTS: "http://a:1" });
  assert.deepEqual(client.endpoints, ["http://a:1"]);
  assert.throws(() => clientFromEnv({ ETCD_ENDPOINTS: "ftp://a" }), UsageError);
  assert.throws(() => clientFromEnv(null as never), { code: "ERR_ARGUMENT", message: /process\.env/ });
  assert.throws(() => clientFromEnv({ ETCD_ENDPOINTS: " , " }), { message: "ETCD_ENDPOINTS contains no endpoint" });
});

test("clientFromEnv: the debug log names the variables used, and contains no password", (t) => {
  const lines: string[] = [];
  const client = log.client;
  t.after(() => Object.assign(log, { client }));
  Object.assign(log, { client: (...args: readonly unknown[]) => lines.push(args.join(" ")) });
  clientOptionsFromEnv({ ETCDCTL_ENDPOINTS: "a", ETCDCTL_USER: "root:s3cr3t" });
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /ETCDCTL_ENDPOINTS ETCDCTL_USER default default$/);
  assert.ok(!lines[0]?.includes("s3cr3t"));
});
