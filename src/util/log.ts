import type { Debug, Debugger } from "debug";

type Channel = "http" | "curl" | "client" | "sync" | "watch" | "config" | "discovery" | "election" | "consul";

/** The package's `debug` channels, on stderr. Keys, statuses and origins go here; values, headers and credentials never. */
export const log: Readonly<Record<Channel, Debugger>> = {
  get http() {
    return channel("http");
  },
  get curl() {
    return channel("curl");
  },
  get client() {
    return channel("client");
  },
  get sync() {
    return channel("sync");
  },
  get watch() {
    return channel("watch");
  },
  get config() {
    return channel("config");
  },
  get discovery() {
    return channel("discovery");
  },
  get election() {
    return channel("election");
  },
  get consul() {
    return channel("consul");
  },
};

const channels = new Map<Channel, Debugger>();
let debug: Debug | undefined;

/** `debug` is loaded with the first look at a channel: at import it would take longer than all of our own. */
function channel(name: Channel): Debugger {
  const known = channels.get(name);
  if (known !== undefined) return known;
  debug ??= process.getBuiltinModule("node:module").createRequire(import.meta.url)("debug") as Debug;
  const made = debug(`etcd2:${name}`);
  channels.set(name, made);
  return made;
}
