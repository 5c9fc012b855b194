import { gotExchange } from "../../src/http/got/got-exchange.js";
import { undiciExchange } from "../../src/http/undici/index.js";
import type { NodeSubjectName } from "../subject-names.js";
import { bare } from "./bare.js";
import { etcdjs } from "./etcdjs.js";
import { nodeEtcd } from "./node-etcd.js";
import { nodeHttp } from "./node-http.js";
import { sdk } from "./sdk.js";
import type { Subject } from "./subject.js";

/** Makes a subject that talks to the etcd at that URL. */
export const subjects: Readonly<Record<NodeSubjectName, (url: string) => Subject>> = {
  "node:http": nodeHttp,
  "etcd2 on got": (url) => sdk(url),
  "etcd2 on undici": (url) => sdk(url, undiciExchange()),
  "got transport, bare": (url) => bare(url, gotExchange()),
  "undici transport, bare": (url) => bare(url, undiciExchange()),
  "node-etcd 7": nodeEtcd,
  "etcdjs 2": etcdjs,
};
