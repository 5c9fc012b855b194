// Registers two hosts of a service, follows them, looks them up, and stops one of them.
import { Client } from "etcd2";
import { createDiscovery } from "etcd2/discovery";

const endpoints = (process.env["ETCD_ENDPOINTS"] ?? "http://127.0.0.1:2379").split(",");
await using client = new Client({ endpoints });
const discovery = createDiscovery({
  client,
  onWarning: ({ message }) => {
    console.warn(message);
  },
});
const service = `example-${String(process.pid)}`;

await using fresh = discovery.subscribeNew(service);
await using down = discovery.subscribeDown(service);
await Promise.all([fresh.ready, down.ready]);

const host = { hostname: "api.example.com", public: true, user: "api", password: "first", ports: { https: "443" } };
await using a = discovery.register(service, { ...host, privateHostname: "node-a" });
await a.waitRegistration();

// the last public host that registers gives its credentials to all
const changes = a.credentialChanges();
await using b = discovery.register(service, { ...host, privateHostname: "node-b", password: "second" });
await changes.next();
console.log("the password is now", a.credentials().password);

console.log("hosts:", String(await discovery.get(service).all()));
console.log("url:", await discovery.get(service).url("https", "/v1"));

let came = 0;
for await (const each of fresh) {
  console.log("came:", each.privateHostname);
  if (++came === 2) break;
}
await b.close();
for await (const uuid of down) {
  console.log("went:", uuid === b.uuid ? "node-b" : uuid);
  break;
}
