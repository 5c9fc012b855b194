import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import { ConfigError, jsonCodec, type ApiVersion, type Endpoints, type Service } from "./index.js";

const metadata = {
  name: "web",
  namespace: "default",
  resourceVersion: "12",
  uid: "u-1",
  labels: { a: "b" },
  annotations: {},
  creationTimestamp: "2015-01-05T10:00:00Z",
  selfLink: "",
};
const spec = {
  port: 80,
  protocol: "TCP",
  selector: { app: "web" },
  containerPort: 8080,
  portalIP: "10.0.0.7",
  publicIPs: ["1.2.3.4"],
  createExternalLoadBalancer: false,
  sessionAffinity: "None",
} as const;
const { name: id, resourceVersion: _text, ...otherMetadata } = metadata;
const flatMetadata = { id, resourceVersion: 12, ...otherMetadata };
const serviceTexts: Readonly<Record<ApiVersion, string>> = {
  v1beta1: JSON.stringify({ kind: "Service", apiVersion: "v1beta1", ...flatMetadata, ...spec }),
  v1beta2: JSON.stringify({ kind: "Service", apiVersion: "v1beta2", ...flatMetadata, ...spec }),
  v1beta3: JSON.stringify({ kind: "Service", apiVersion: "v1beta3", metadata, spec }),
};
const addresses = [
  { ip: "10.1.0.1", port: 8080 },
  { ip: "::1", port: 80 },
];
const endpointsTexts: Readonly<Record<ApiVersion, string>> = {
  v1beta1: JSON.stringify({
    kind: "Endpoints",
    apiVersion: "v1beta1",
    ...flatMetadata,
    protocol: "UDP",
    endpoints: ["10.1.0.1:8080", "[::1]:80"],
  }),
  v1beta2: JSON.stringify({
    kind: "Endpoints",
    apiVersion: "v1beta2",
    ...flatMetadata,
    protocol: "UDP",
    endpoints: ["10.1.0.1:8080", "[::1]:80"],
  }),
  v1beta3: JSON.stringify({
    kind: "Endpoints",
    apiVersion: "v1beta3",
    metadata,
    protocol: "UDP",
    endpoints: addresses,
  }),
};
const versions = ["v1beta1", "v1beta2", "v1beta3"] as const;

test("codec: texts of all versions decode to equal objects (config 37)", () => {
  for (const version of versions) {
    assert.deepEqual(jsonCodec.decodeService(serviceTexts[version]), { metadata, spec } satisfies Service);
    assert.deepEqual(jsonCodec.decodeEndpoints(endpointsTexts[version]), {
      metadata,
      protocol: "UDP",
      endpoints: addresses,
    } satisfies Endpoints);
  }
});

test("codec: encoding restores the fields of the decoded text, in every version (config 38)", () => {
  for (const version of versions) {
    const service = jsonCodec.decodeService(serviceTexts.v1beta1);
    assert.deepEqual(JSON.parse(jsonCodec.encodeService(service, version)), JSON.parse(serviceTexts[version]));
    const endpoints = jsonCodec.decodeEndpoints(endpointsTexts.v1beta1);
    assert.deepEqual(JSON.parse(jsonCodec.encodeEndpoints(endpoints, version)), JSON.parse(endpointsTexts[version]));
  }
  assert.equal(
    jsonCodec.encodeService(jsonCodec.decodeService(serviceTexts.v1beta3)),
    jsonCodec.encodeService(jsonCodec.decodeService(serviceTexts.v1beta1), "v1beta1"),
  );
});

test("codec: the texts of the specification survive decoding and encoding (config 38)", () => {
  for (const text of [
    '{"kind":"Service","id":"web","namespace":"default","apiVersion":"v1beta1","uid":"u","creationTimestamp":"2015-01-05T10:00:00Z","resourceVersion":12,"port":80,"protocol":"TCP","selector":{"app":"web"},"containerPort":8080,"portalIP":"10.0.0.7","publicIPs":["1.2.3.4"],"createExternalLoadBalancer":false,"sessionAffinity":"None","labels":{"a":"b"},"annotations":{},"selfLink":""}',
    '{"kind":"Service","apiVersion":"v1beta3","metadata":{"name":"web","namespace":"default","resourceVersion":"12","labels":{}},"spec":{"port":80,"protocol":"TCP","selector":{"app":"web"},"containerPort":"http","portalIP":"","publicIPs":[],"sessionAffinity":"ClientIP"}}',
  ]) {
    const { apiVersion } = JSON.parse(text) as { apiVersion: ApiVersion };
    assert.deepEqual(JSON.parse(jsonCodec.encodeService(jsonCodec.decodeService(text), apiVersion)), JSON.parse(text));
  }
  for (const text of [
    '{"kind":"Endpoints","id":"web","namespace":"default","apiVersion":"v1beta1","protocol":"TCP","endpoints":["10.1.0.1:8080","[::1]:80"]}',
    '{"kind":"Endpoints","apiVersion":"v1beta3","metadata":{"name":"web","namespace":"default"},"protocol":"TCP","endpoints":[{"ip":"10.1.0.1","port":8080}]}',
  ]) {
    const { apiVersion } = JSON.parse(text) as { apiVersion: ApiVersion };
    assert.deepEqual(
      JSON.parse(jsonCodec.encodeEndpoints(jsonCodec.decodeEndpoints(text), apiVersion)),
      JSON.parse(text),
    );
  }
});

test("codec: a missing field has its default, and null counts as missing", () => {
  const bare = { metadata: { name: "", namespace: "" }, spec: { port: 0, protocol: "TCP", sessionAffinity: "None" } };
  assert.deepEqual(jsonCodec.decodeService("{}"), bare);
  assert.deepEqual(
    jsonCodec.decodeService(
      '{"id":null,"labels":null,"selector":null,"creationTimestamp":null,"publicIPs":null,"protocol":"","sessionAffinity":"","resourceVersion":0,"unknown":1}',
    ),
    bare,
  );
  assert.deepEqual(jsonCodec.decodeService('{"apiVersion":"v1beta3","metadata":{},"spec":{}}'), bare);
  assert.deepEqual(jsonCodec.decodeEndpoints('{"endpoints":null}'), {
    metadata: bare.metadata,
    protocol: "TCP",
    endpoints: [],
  });
});

test("codec: etcd's index overrides the stored version", () => {
  const service = jsonCodec.decodeService(serviceTexts.v1beta1, { key: "/k", modifiedIndex: 99 });
  assert.equal(service.metadata.resourceVersion, "99");
});

test("codec: an empty text and a wrong kind are refused (config 29)", () => {
  const origin = { key: "/registry/services/specs/default/web", modifiedIndex: 7 };
  for (const text of [
    "",
    " \n",
    "garbage",
    "[]",
    "null",
    '"text"',
    endpointsTexts.v1beta1,
    '{"apiVersion":"v9"}',
    '{"kind":5}',
  ]) {
    assert.throws(
      () => jsonCodec.decodeService(text, origin),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(error.code, "ERR_DECODE");
        assert.equal(error.key, origin.key);
        assert.ok(error.message.includes(`"${origin.key}"`));
        return true;
      },
    );
  }
  assert.throws(() => jsonCodec.decodeEndpoints("", origin), ConfigError);
  assert.throws(() => jsonCodec.decodeEndpoints(serviceTexts.v1beta1, origin), ConfigError);
});

test("codec: an address without a port is refused (config 39)", () => {
  const origin = { key: "/registry/services/endpoints/default/web", modifiedIndex: 7 };
  for (const address of [
    "10.0.0.1",
    ":80",
    "10.0.0.1:",
    "10.0.0.1:65536",
    "::1:80",
    "[::1]",
    "10.0.0.1:8o",
    "",
    "a b:80",
  ]) {
    assert.throws(
      () => jsonCodec.decodeEndpoints(JSON.stringify({ endpoints: [address] }), origin),
      { code: "ERR_DECODE", key: origin.key },
      address,
    );
  }
  for (const endpoint of [
    { ip: "10.0.0.1" },
    { port: 80 },
    { ip: "", port: 80 },
    { ip: "10.0.0.1", port: -1 },
    "10.0.0.1:80",
  ]) {
    const text = JSON.stringify({ apiVersion: "v1beta3", metadata: {}, endpoints: [endpoint] });
    assert.throws(() => jsonCodec.decodeEndpoints(text, origin), { code: "ERR_DECODE" }, text);
  }
});

test("codec: fields of a wrong type are refused, and no error quotes a value", () => {
  for (const fields of [
    { port: "s3cret" },
    { port: 1.5 },
    { id: 5 },
    { labels: ["s3cret"] },
    { labels: { a: { s3cret: 1 } } },
    { selector: "s3cret" },
    { protocol: "s3cret" },
    { sessionAffinity: "s3cret" },
    { publicIPs: [1] },
    { publicIPs: "s3cret" },
    { createExternalLoadBalancer: "s3cret" },
    { containerPort: {} },
    { creationTimestamp: "s3cret" },
    { resourceVersion: -1 },
    { resourceVersion: [] },
    { kind: "s3cret" },
    { apiVersion: "s3cret" },
    { apiVersion: "v1beta3", metadata: "s3cret", spec: {} },
    { apiVersion: "v1beta3", spec: {} },
    { apiVersion: "v1beta3", metadata: {} },
  ]) {
    assert.throws(
      () => jsonCodec.decodeService(JSON.stringify(fields)),
      (error) => {
        assert.ok(error instanceof ConfigError, JSON.stringify(fields));
        assert.ok(
          !inspect(error, { depth: 9 })
            .replaceAll(import.meta.filename, "")
            .includes("s3cret"),
          JSON.stringify(fields),
        );
        return true;
      },
    );
  }
  assert.throws(
    () => jsonCodec.decodeService("s3cret"),
    (error) => !inspect(error).includes("s3cret"),
  );
});

test("codec: an unknown version is refused", () => {
  const service = jsonCodec.decodeService(serviceTexts.v1beta1);
  assert.throws(() => jsonCodec.encodeService(service, "v2" as ApiVersion), { code: "ERR_ARGUMENT" });
});
