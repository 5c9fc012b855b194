import assert from "node:assert/strict";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import test, { type TestContext } from "node:test";
import { listen } from "../../test-kit/loopback-server.js";
import { KeysAPI } from "../../core/keys.js";
import { clusterOf } from "../../test-kit/scripted-cluster.js";
import { clientOf, ok, ScriptedServer } from "../../test-kit/scripted-server.js";
import { settled } from "../../test-kit/scripted-cluster.js";
import { until } from "../../test-kit/waiting.js";

/** A proxy that expects absolute URLs in the request line, as HTTP proxies do. */
async function proxy(t: TestContext): Promise<{ readonly port: number; readonly targets: readonly string[] }> {
  const targets: string[] = [];
  const server = http.createServer((request, response) => {
    targets.push(`${request.method ?? ""} ${request.url ?? ""}`);
    const { method, headers } = request;
    const onward = http.request(request.url ?? "", { method, headers }, (back) => {
      response.writeHead(back.statusCode ?? 502, back.headers);
      back.pipe(response);
    });
    request.pipe(onward);
  });
  const { port } = await listen(t, server);
  return { port, targets };
}

/** Works like the agents of proxy packages: connects to the proxy and requests the absolute URL. */
class ProxyAgent extends http.Agent {
  readonly #port: number;

  constructor(port: number) {
    super({ keepAlive: true });
    this.#port = port;
  }

  addRequest(request: http.ClientRequest, options: { readonly host: string; readonly port: number }): void {
    request.path = `http://${options.host}:${String(options.port)}${request.path}`;
    const add = Reflect.get(http.Agent.prototype, "addRequest") as (...args: readonly unknown[]) => void;
    Reflect.apply(add, this, [request, { ...options, host: "127.0.0.1", port: this.#port }]);
  }
}

test("own agents: every request goes through the agent, including long polls", async (t) => {
  const { port, targets } = await proxy(t);
  const agent = new ProxyAgent(port);
  t.after(() => {
    agent.destroy();
  });
  const { keys, server, counts } = await clusterOf(t, [[ok()]], { agent: { http: agent } });
  await keys.get("/k");
  await keys.set("/k", "v");
  await keys.watcher("/k").next();
  assert.deepEqual(counts(), [3]);
  const key = `${server(0).url}/v2/keys/k`;
  assert.deepEqual(
    targets.map((target) => target.split("?")[0]),
    [`GET ${key}`, `PUT ${key}`, `GET ${key}`],
  );
});

test("own agents: reads survive dead idle connections, and close() leaves the agent alone (FF15)", async (t) => {
  const agent = new http.Agent({ keepAlive: true });
  t.after(() => {
    agent.destroy();
  });
  const { keys, client, server } = await clusterOf(t, [[ok()]], { agent: { http: agent } });
  await Promise.all(Array.from({ length: 10 }, () => keys.get("/k")));
  server(0).script((_response, _request, socket) => socket.resetAndDestroy(), ok());
  for (let i = 0; i < 12; i++) await keys.get("/k");
  await until("an idle connection", () => Object.keys(agent.freeSockets).length > 0);
  await client.close();
  assert.ok(Object.keys(agent.freeSockets).length > 0);
});

test("own agents: an https agent receives the client's tls options with each request", async (t) => {
  const seen: unknown[] = [];
  class Recorder extends https.Agent {
    override createConnection(options: Parameters<https.Agent["createConnection"]>[0]): net.Socket {
      seen.push(Reflect.get(options, "ca"), Reflect.get(options, "servername"));
      return net.connect({ host: "127.0.0.1", port: 1 });
    }
  }
  const ca = "-----BEGIN CERTIFICATE-----";
  const client = clientOf(["https://127.0.0.1:1"], {
    agent: { https: new Recorder() },
    tls: { ca, servername: "etcd.example" },
  });
  t.after(() => client.close());
  await settled(new KeysAPI(client).get("/k"));
  assert.deepEqual(seen, [ca, "etcd.example"]);
});

test("own agents: without an agent, proxy variables of the environment are ignored", async (t) => {
  const { port, targets } = await proxy(t);
  const names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY"];
  for (const name of names) process.env[name] = `http://127.0.0.1:${String(port)}`;
  t.after(() => {
    for (const name of names) Reflect.deleteProperty(process.env, name);
  });
  await using server = await ScriptedServer.start(ok());
  const client = clientOf([server]);
  t.after(() => client.close());
  await new KeysAPI(client).get("/k");
  assert.deepEqual([server.requests.length, targets.length], [1, 0]);
});
