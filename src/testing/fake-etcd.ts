import { createHash } from "node:crypto";
import type { Exchange } from "../http/exchange.js";
import { cleanPath } from "../server/go-text.js";
import { UsageError } from "../util/errors.js";
import { requireOptions } from "../util/fields.js";
import { badArgument } from "../util/validate.js";
import { isManual, realClock, settle, type FakeClock } from "./clock.js";
import { Cluster } from "./cluster.js";
import { Connections } from "./connections.js";
import { isError } from "./event.js";
import type { FakeEtcd, FailOptions, WatchedOptions } from "./fake-etcd-types.js";
import { MemberHandle } from "./fake-member.js";
import { Faults, type Fault, type FaultHandle, type FaultMatch } from "./faults.js";
import { Front, type SeenRequest } from "./front.js";
import { changeOf } from "./key-changes.js";
import { pathOf, userKey } from "./key-node.js";
import { Listener } from "./listener.js";
import { MemberStore } from "./member-store.js";
import { addToStore, Membership, publishToStore } from "./membership.js";
import { checkKeys, checkOptions, requireWhole } from "./options.js";
import type { CheckedOptions, FakeEtcdOptions, FakeKeys } from "./options.js";
import { Replica, type Identity } from "./replica.js";
import { fakeTransport } from "./transport.js";
import { WatchedBy } from "./watched-by.js";

/**
 * Starts an etcd v2 server in this process: real HTTP on free ports of 127.0.0.1.
 *
 * @throws {UsageError} for bad options
 * @example
 * await using etcd = await startFakeEtcd();
 * const client = new Client({ endpoints: etcd.endpoints });
 */
export async function startFakeEtcd(options?: FakeEtcdOptions): Promise<FakeEtcd> {
  const etcd = new FakeEtcdHandle(checkOptions(options), true);
  await Promise.all(etcd.members.map((member) => member.listen()));
  etcd.begin();
  return etcd;
}

/**
 * Makes an etcd v2 server in memory, without sockets: it is reached by its `transport` alone.
 *
 * @throws {UsageError} for bad options
 * @example
 * await using etcd = createFakeEtcd({ keys: { "/config/mode": "blue" } });
 * const client = new Client({ endpoints: etcd.endpoints, transport: etcd.transport });
 */
export function createFakeEtcd(options?: FakeEtcdOptions): FakeEtcd {
  const etcd = new FakeEtcdHandle(checkOptions(options), false);
  etcd.begin();
  return etcd;
}

/** How many of the newest requests are kept. */
const keptRequests = 10_000;

let clusters = 0;

class FakeEtcdHandle implements FakeEtcd {
  readonly members: MemberHandle[] = [];
  readonly transport: Exchange;
  readonly #options: CheckedOptions;
  readonly #overHttp: boolean;
  readonly #clock: FakeClock;
  readonly #cluster: Cluster;
  readonly #clusterId = hashId(`cluster ${String(++clusters)}`);
  readonly #faults: Faults;
  readonly #watchedBy: WatchedBy;
  #requests: SeenRequest[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: CheckedOptions, overHttp: boolean) {
    this.#options = options;
    this.#overHttp = overHttp;
    this.#clock = options.clock ?? realClock;
    this.#cluster = new Cluster({ clock: this.#clock, electionTimeoutMs: options.electionTimeoutMs });
    this.#faults = new Faults(() => {
      for (const member of this.members) void member.followFaults();
    });
    this.#watchedBy = new WatchedBy(this.#cluster.replicas);
    for (let number = 1; number <= options.members; number++) this.#addMember([]);
    this.transport = fakeTransport(this.members, this.#clock);
  }

  /** Starts the cluster, once its members have their endpoints. */
  begin(): void {
    for (const member of this.members) {
      member.begin();
      member.replica.identity = { ...member.replica.identity, clientURLs: [member.endpoint] };
    }
    this.#cluster.begin();
    const identities = this.members.map((member) => member.replica.identity);
    for (const identity of identities) this.#commit((store) => addToStore(store, identity));
    for (const identity of identities) this.#commit((store) => publishToStore(store, identity));
    this.#commit((store) => store.set("/0/version", { value: `${this.#options.version}.0` }));
    this.#enableAuth();
    if (Object.keys(this.#options.keys).length === 0) return;
    this.load(this.#options.keys);
    this.clearHistory();
  }

  get endpoints(): readonly string[] {
    return this.members.filter((member) => !member.replica.removed).map((member) => member.endpoint);
  }

  get index(): number {
    this.#cluster.catchUp();
    return this.#newest.store.index;
  }

  get requests(): readonly SeenRequest[] {
    return this.#requests;
  }

  dump(): Record<string, string> {
    this.#cluster.catchUp();
    const files = Array.from(this.#newest.store.tree.files("/1"));
    return Object.fromEntries(
      files.map(([path, value]) => [userKey(path), value.toWellFormed()] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }

  load(keys: FakeKeys): void {
    this.#requireOpen();
    checkKeys(keys);
    this.#cluster.catchUp();
    for (const [key, entry] of Object.entries(keys)) {
      const { value = "", ttl, dir = false } = typeof entry === "string" ? { value: entry } : entry;
      const path = cleanPath(key);
      const call = { kind: "set", key: path, value, dir, ttl, noValueOnSuccess: false, refresh: false } as const;
      const result = this.#commit(changeOf(call, this.#clock.now()));
      if (result !== undefined && isError(result))
        badArgument(`key "${key}" cannot be written: etcd's error ${String(result.errorCode)} (${result.cause})`);
    }
  }

  expire(key: string): void {
    this.#requireOpen();
    const path = pathOf(cleanPath(key));
    if (this.#newest.store.tree.peek(path) === undefined) badArgument(`there is no key "${key}" to expire`);
    this.#commit((store) => {
      store.expireNow(path);
      return undefined;
    });
  }

  clearHistory(): void {
    this.#commit((store) => {
      store.hub.history.clear(store.index);
      return undefined;
    });
  }

  async tick(ms: number): Promise<void> {
    if (!isManual(this.#clock))
      badArgument("tick needs a clock that can be moved: make the fake with { clock: manualClock() }");
    await this.#clock.tick(ms);
  }

  untilWatched(key: string, options: WatchedOptions = {}): Promise<void> {
    requireOptions("options", options, watchedNames);
    const { count = 1, signal } = options;
    requireWhole("count", count, 1, Number.MAX_SAFE_INTEGER);
    return this.#watchedBy.atLeast(pathOf(cleanPath(key)), count, signal);
  }

  reset(): void {
    this.#requireOpen();
    this.#faults.clear();
    for (const member of this.members) {
      member.connections.cut();
      void member.restore();
    }
    this.#commit((store) => {
      store.clear();
      return undefined;
    });
    for (const { replica } of this.members) replica.madeAuthDirectories = false;
    this.#enableAuth();
    this.#requests = [];
  }

  fail(match: FaultMatch, fault: Fault, options: FailOptions = {}): FaultHandle {
    requireOptions("match", match, matchNames);
    requireOptions("options", options, failNames);
    const { times = 1 } = options;
    if (!(times >= 1)) badArgument(`times must be a number from 1, or Infinity, got ${String(times)}`);
    return this.#faults.add(match, fault, times);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#faults.clear();
    await Promise.all(this.members.map((member) => member.kill()));
    this.#cluster.close();
    this.#watchedBy.close(new UsageError("ERR_CLOSED", "the fake etcd is closed"));
  }

  /** The replica that has applied most entries. */
  get #newest(): Replica {
    return this.#cluster.leader ?? this.#cluster.replicas.reduce((a, b) => (b.applied > a.applied ? b : a));
  }

  /** Commits a change that no request asked for. Returns its result if that is known at once. */
  #commit(change: Parameters<Cluster["commit"]>[0]): ReturnType<Parameters<Cluster["commit"]>[0]> {
    let result: ReturnType<typeof change>;
    void this.#cluster.commit((store) => (result = change(store)), this.#newest);
    return result;
  }

  #enableAuth(): void {
    const { root } = this.#options;
    if (root === undefined) return;
    this.#commit((store) => {
      store.create("/2/users/root", { value: JSON.stringify({ user: "root", password: root, roles: ["root"] }) });
      store.create("/2/roles/guest", {
        value: JSON.stringify({ role: "guest", permissions: { kv: { read: ["/*"], write: ["/*"] } } }),
      });
      return store.create("/2/enabled", { value: "true" });
    });
  }

  /** Adds a member, which is not started yet. */
  #addMember(peerURLs: readonly string[]): Identity {
    const name = `m${String(this.members.length + 1)}`;
    const identity = {
      name,
      id: hashId(`${this.#clusterId} ${name}`),
      peerURLs: peerURLs.length > 0 ? peerURLs : [`http://${name}.fake-etcd.invalid:2380`],
      clientURLs: [],
    };
    const { historySize, version, authDelayMs, v2 } = this.#options;
    const replica = new Replica(identity, {
      historySize,
      fixedDirectories: version === "3.5",
      now: () => this.#clock.now(),
    });
    const cluster = this.#cluster;
    cluster.replicas.push(replica);
    this.#watchedBy.follow(replica);
    const membership = new Membership(
      cluster,
      replica,
      (urls) => this.#addMember(urls),
      (id) => void this.#removeMember(id),
    );
    const store = new MemberStore(cluster, replica, membership, { clusterId: this.#clusterId, version, authDelayMs });
    const front = new Front(store, {
      faults: this.#faults,
      seen: (request) => {
        if (this.#requests.length >= 2 * keptRequests) this.#requests = this.#requests.slice(-keptRequests);
        this.#requests.push(request);
      },
      v2,
      redirectTo: (location, target) => (this.endpoints.includes(location) ? location + target : location),
    });
    const connections = new Connections();
    const listener = this.#overHttp
      ? new Listener((request) => front.handle(request), connections, this.#clock)
      : undefined;
    this.members.push(new MemberHandle({ cluster, replica, connections, front, faults: this.#faults, listener }));
    return identity;
  }

  async #removeMember(id: string): Promise<void> {
    const member = this.members.find((candidate) => candidate.id === id);
    if (member === undefined) return;
    member.replica.removed = true;
    // it may be the member that received the request: let its response be sent first
    await settle();
    await member.kill();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new UsageError("ERR_CLOSED", "the fake etcd is closed");
  }
}

const watchedNames: ReadonlySet<string> = new Set<keyof WatchedOptions>(["count", "signal"]);
const failNames: ReadonlySet<string> = new Set<keyof FailOptions>(["times"]);
const matchNames: ReadonlySet<string> = new Set<keyof FaultMatch>(["method", "key", "user", "member", "watch"]);

/** An id like etcd's: 64 bits in hexadecimal, without leading zeros. */
function hashId(text: string): string {
  return createHash("sha1").update(text).digest("hex").slice(0, 16).replace(/^0+/, "");
}
