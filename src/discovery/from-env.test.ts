import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { clientFromEnv, clientOptionsFromEnv } from "./from-env.js";

const pem = (name: string): string => `-----BEGIN ${name}-----\nAAAA\n-----END ${name}-----\n`;
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const memory = {
  ETCD_TLS_INMEMORY: "true",
  ETCD_CACERT: base64(pem("CERTIFICATE")),
  ETCD_TLS_CERT: base64(pem("CERTIFICATE")),
  ETCD_TLS_KEY: base64(pem("PRIVATE KEY")),
};

test("environment: hosts are trimmed, and get a scheme (discovery 44)", async () => {
  await using client = clientFromEnv({ ETCD_HOSTS: " http://a:1 ,b:2," });
  assert.deepEqual([...client.endpoints].sort(), ["http://a:1", "http://b:2"]);
});

test("environment: the precedence of variables; empty ones count as unset", () => {
  const endpoints = (env: Record<string, string>): unknown => clientOptionsFromEnv(env).endpoints;
  const link = { ETCD_1_PORT_2379_TCP_ADDR: "10.0.0.9", ETCD_1_PORT_2379_TCP_PORT: "4001" };
  assert.deepEqual(endpoints({ ...link, ETCD_HOST: "http://b:2", ETCD_HOSTS: "http://a:1" }), ["http://a:1"]);
  assert.deepEqual(endpoints({ ...link, ETCD_HOST: "http://b:2", ETCD_HOSTS: "" }), ["http://b:2"]);
  assert.deepEqual(endpoints(link), ["http://10.0.0.9:4001"]);
  assert.deepEqual(endpoints({ ETCD_CACERT: "", ETCD_TLS_KEY: "" }), ["http://localhost:2379"]);
});

test("environment: with TLS, http becomes https (discovery 45)", () => {
  assert.deepEqual(clientOptionsFromEnv({ ...memory, ETCD_HOSTS: "http://a:1,https://b:2,c:3" }).endpoints, [
    "https://a:1",
    "https://b:2",
    "https://c:3",
  ]);
});

test("environment: certificates in base64 (discovery 46)", () => {
  assert.deepEqual(clientOptionsFromEnv(memory).tls, {
    ca: pem("CERTIFICATE"),
    cert: pem("CERTIFICATE"),
    key: pem("PRIVATE KEY"),
  });
});

test("environment: certificates in files; a CA alone means TLS, too", () => {
  const folder = mkdtempSync(join(tmpdir(), "etcd2-env-"));
  try {
    const file = join(folder, "ca.pem");
    writeFileSync(file, pem("CERTIFICATE"));
    assert.deepEqual(clientOptionsFromEnv({ ETCD_CACERT: file }), {
      endpoints: ["https://localhost:2379"],
      tls: { ca: pem("CERTIFICATE"), cert: undefined, key: undefined },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("environment: contradictions are an ERR_CONFIG error", () => {
  const bad = [
    { ...memory, ETCD_TLS_KEY: "" },
    { ...memory, ETCD_TLS_CERT: "" },
    { ...memory, ETCD_CACERT: "no base64 of PEM" },
    { ETCD_CACERT: "/nowhere/ca.pem" },
    { ETCD_HOSTS: " , " },
    { ETCD_HOST: "ftp://a:1" },
  ];
  assert.throws(() => clientFromEnv({ ETCD_HOSTS: " , " }), { message: "ETCD_HOSTS contains no endpoint" });
  assert.throws(() => clientFromEnv(null as never), { code: "ERR_ARGUMENT", message: /process\.env/ });
  for (const env of bad) assert.throws(() => clientFromEnv(env), { code: "ERR_CONFIG" }, JSON.stringify(env));
});
