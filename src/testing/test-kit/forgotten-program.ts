// Creates fakes, leaves a poll open and keys that will expire, and never closes them: the process must end all the
// same.
import { createFakeEtcd, startFakeEtcd } from "../fake-etcd.js";

const keys = { "/a": { value: "1", ttl: 600 } };
createFakeEtcd({ keys, members: 3 });
const etcd = await startFakeEtcd({ keys, members: 3 });
const [endpoint = ""] = etcd.endpoints;
const read = await fetch(`${endpoint}/v2/keys/a`);
console.log(await read.text());
