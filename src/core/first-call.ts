import * as calls from "./keys-calls.js";
import * as auth from "./wire/auth.js";
import * as members from "./wire/members.js";
import * as stats from "./wire/stats.js";

/** What is loaded with the first call, and not when the package is imported: see `load.ts`. */
export { requireKeyTtl } from "./key-ttl.js";
export { kvLists, namesOf } from "./auth-lists.js";
export { ClusterSender } from "./cluster-sender.js";
export { publishSwitch } from "./cluster/trace-calls.js";
export { healthOf } from "./health.js";
export { MirrorCopy } from "./mirror-copy.js";
export { peerUrlOf } from "./peer-url.js";
export { untilReady } from "./ready.js";
export { SrvLookup } from "./srv-lookup.js";
export { TypedMirrorCopy } from "./typed-mirror-copy.js";
export { WatchLoop } from "./watch-loop.js";
export { decodeVersion, versionSpec } from "./wire/version.js";
export { auth, calls, members, stats };
