// Mistakes about the server that is called. The numbers are those of docs/spec/mistakes.md.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import test, { after, before } from "node:test";
import { find } from "../scripts/servers/programs.mjs";
import { AuthAPI, AuthUserAPI, MembersAPI, Mirror, type Client, type KeysAPI } from "../src/core/index.js";
import { refusedUrl } from "../src/test-kit/scripted-server.js";
import { patience } from "../src/test-kit/waiting.js";
import { makeCertificates, memberTls, pem, type Certificates, type CertificateName } from "./certificates.js";
import { failure } from "./mistakes-support.js";
import { ownMember } from "./support.js";
import { startCluster, type Cluster } from "./test-kit/etcd.js";

let certificates: Certificates;
const servers = {} as Record<"plain" | "secure" | "wrongHost" | "withoutV2", Cluster>;
/** Servers that are not etcd. */
const others: net.Server[] = [];

before(async () => {
  certificates = makeCertificates();
  const bin = find("etcd");
  const secure = (name: CertificateName): Promise<Cluster> => startCluster({ bin, tls: memberTls(certificates, name) });
  const [plain, good, wrongHost, withoutV2] = await Promise.all([
    ownMember(),
    secure("server"),
    secure("wrongHost"),
    ownMember({ enableV2: false }),
  ]);
  Object.assign(servers, { plain, secure: good, wrongHost, withoutV2 });
});

after(async () => {
  for (const server of others) server.close();
  await Promise.all(Object.values(servers).map((cluster) => cluster.stop()));
  certificates[Symbol.dispose]();
});

const url = (server: keyof typeof servers): string => servers[server].endpoints[0] ?? assert.fail();
const ca = (): { readonly ca: Buffer } => ({ ca: pem(certificates.cert("ca")) });
const ourCertificate = (): { readonly cert: Buffer; readonly key: Buffer } => ({
  cert: pem(certificates.cert("client")),
  key: pem(certificates.key("client")),
});

/** The URL of a server that is not an etcd. */
async function listening(server: net.Server): Promise<string> {
  others.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

const saying = (text: string | Buffer): Promise<string> =>
  listening(net.createServer((socket) => socket.on("error", () => undefined).once("data", () => socket.end(text))));
const page = (status: number, body: string): Promise<string> =>
  listening(
    http.createServer((_request, response) => {
      response.writeHead(status, { "content-type": "text/html", connection: "close" }).end(body);
    }),
  );

const connections: readonly (readonly [number, string, () => Promise<string>, RegExp])[] = [
  [1, "a wrong port", async () => failure(await refusedUrl()), /: connect ECONNREFUSED 127\.0\.0\.1:\d+/],
  [
    2,
    "an unknown host",
    () => failure("http://no-such-host.invalid:2379"),
    /no-such-host\.invalid.* \(the resolver does not know this name\)$/,
  ],
  [
    3,
    "https to a plain port",
    () => failure(url("plain").replace("http:", "https:")),
    /\(the server closed the connection at the TLS handshake: if it does not speak TLS, use http:\/\/\)$/,
  ],
  [
    4,
    "http to a TLS port",
    () => failure(url("secure").replace("https:", "http:")),
    /\(the server closed the connection without a response: if it speaks TLS, use https:\/\/\)$/,
  ],
  [
    5,
    "a CA that is not passed",
    () => failure(url("secure"), { tls: ourCertificate() }),
    /\(the server's certificate comes from a CA that is not known here: pass that CA as tls\.ca\)$/,
  ],
  [
    6,
    "a missing client certificate",
    () => failure(url("secure"), { tls: ca() }),
    /\(the server wants a client certificate, or refuses the one it got: pass tls\.cert and tls\.key from a CA that it trusts\)$/,
  ],
  [
    10,
    "a host that is not in the certificate",
    () => failure(url("wrongHost"), { tls: { ...ca(), ...ourCertificate() } }),
    /certificate is for another host: use a name that it lists, or pass one as tls\.servername\)$/,
  ],
  [
    12,
    "the peer port",
    () => failure(servers.plain.members[0]?.peerUrl ?? ""),
    /: the v2 API is probably not enabled, .*; or this is a peer port$/,
  ],
  [
    17,
    "a redis",
    async () => failure(await saying("-ERR unknown command 'GET'\r\n")),
    /\(the server does not speak HTTP\/1\.1: is this etcd's client port\?\)$/,
  ],
  [
    17,
    "a port for gRPC alone",
    async () => failure(await saying(Buffer.from("000000040000000000", "hex"))),
    /\(the server does not speak HTTP\/1\.1: is this etcd's client port\?\)$/,
  ],
  [
    18,
    "some web server",
    async () => failure(await page(200, "<h1>It works!</h1>")),
    /answered 200 \(text\/html, 18 characters\): the body is not a JSON object; is this an etcd\?$/,
  ],
  [
    18,
    "an API of something else",
    async () => failure(await page(200, "{}")),
    /the response has no "node" object; is this an etcd\?$/,
  ],
  [
    19,
    "a proxy without backend",
    async () => failure(await page(502, "<h1>Bad Gateway</h1>")),
    /error #0: endpoint http:\/\/127\.0\.0\.1:\d+ answered 502$/,
  ],
  [
    20,
    "a server that never answers",
    async () => failure(await listening(net.createServer()), { headerTimeoutMs: 300 }),
    /exceeded header timeout of 300 ms$/,
  ],
];

for (const [number, what, call, text] of connections) {
  test(`mistakes: ${what}: the message says what to do (M${String(number)})`, async () => {
    assert.match(await call(), text);
  });
}

test("mistakes: every API says that v2 is off, and how to switch it on (M11)", async () => {
  const calls: readonly ((keys: KeysAPI, client: Client) => Promise<unknown>)[] = [
    (keys) => keys.get("/k"),
    (keys) => keys.set("/k", "v"),
    (keys) => keys.watcher("/k").next(patience()),
    (_keys, client) => client.sync(),
    (_keys, client) => new MembersAPI(client).list(),
    (_keys, client) => new AuthAPI(client).status(),
    (_keys, client) => new AuthUserAPI(client).list(),
    (keys) =>
      new Promise((_resolve, reject) => {
        // a mirror goes on, since a proxy's 404 passes: it tells onError
        const mirror = new Mirror(keys, "/k", { onError: reject });
        mirror.next(patience()).catch(reject);
      }),
  ];
  for (const call of calls) {
    const text = await failure(url("withoutV2"), {}, call);
    assert.match(
      text,
      /404 "404 page not found": the v2 API is probably not enabled, start etcd with --enable-v2 \(off since/,
    );
    assert.match(text, /or use v3Protocol\(\) of etcd2\/v3/);
  }
});
