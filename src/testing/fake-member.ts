import { badArgument } from "../util/validate.js";
import type { Cluster } from "./cluster.js";
import type { Connections } from "./connections.js";
import { type Handler } from "./connections.js";
import type { Faults } from "./faults.js";
import type { Front } from "./front.js";
import type { Listener } from "./listener.js";
import { publishToStore } from "./membership.js";
import type { Replica } from "./replica.js";
import type { Reachable } from "./transport.js";

/** A member of a fake etcd, and what can be done to it. */
export interface FakeMember {
  /** The member's name, as the membership lists it. */
  readonly name: string;
  /** In hexadecimal. */
  readonly id: string;
  /** Base URL for clients. */
  readonly endpoint: string;
  /** Whether it leads the cluster. */
  readonly isLeader: boolean;
  /** Ends it as SIGKILL would: connections are reset, new ones refused. Idempotent. */
  kill(): Promise<void>;
  /**
   * Starts it after `kill()`, or for the first time if a client added it. It catches up with the cluster. Idempotent.
   * @throws {UsageError} the member was removed from the cluster
   */
  start(): Promise<void>;
  /** Suspends it as SIGSTOP would: it accepts requests, but does not respond before `thaw()`. */
  freeze(): void;
  /** Lets a frozen member go on, as SIGCONT would. Idempotent. */
  thaw(): void;
  /**
   * Cuts it off from the other members, but not from clients.
   *
   * @param options `heldWrites`: what happens at `join()` to the writes that it received while isolated. @default "drop"
   */
  isolate(options?: { readonly heldWrites?: "drop" | "apply" | undefined }): void;
  /** Ends {@link FakeMember.isolate}. */
  join(): void;
  /** While true, it does not apply what the cluster commits: its reads are stale, its events are late, its writes wait. */
  lag(on: boolean): void;
}

export interface MemberParts {
  readonly cluster: Cluster;
  readonly replica: Replica;
  readonly connections: Connections;
  readonly front: Front;
  readonly faults: Faults;
  /** Absent: the fake has no sockets. */
  readonly listener?: Listener | undefined;
}

export class MemberHandle implements FakeMember, Reachable {
  readonly connections: Connections;
  readonly #parts: MemberParts;
  #started = false;

  constructor(parts: MemberParts) {
    this.#parts = parts;
    this.connections = parts.connections;
  }

  get name(): string {
    return this.#parts.replica.identity.name;
  }

  get id(): string {
    return this.#parts.replica.identity.id;
  }

  get endpoint(): string {
    return this.#parts.listener?.url ?? `http://${this.name}.fake-etcd.invalid:2379`;
  }

  get isLeader(): boolean {
    return this.#parts.cluster.leader === this.#parts.replica;
  }

  get replica(): Replica {
    return this.#parts.replica;
  }

  get listening(): boolean {
    return this.replica.running && !this.#parts.faults.refuses(this.name);
  }

  get handle(): Handler {
    return (request) => this.#parts.front.handle(request);
  }

  /** Accepts connections, but does not join the cluster yet: first all members need endpoints. */
  async listen(): Promise<void> {
    await this.#parts.listener?.open();
  }

  /** Takes part in the cluster from its start. */
  begin(): void {
    this.#started = true;
    this.replica.running = true;
    this.replica.connectedSinceMs = this.#parts.cluster.clock.now();
  }

  async kill(): Promise<void> {
    this.replica.running = false;
    this.thaw();
    this.connections.cut();
    await this.#parts.listener?.close();
    this.#parts.cluster.review();
  }

  async start(): Promise<void> {
    if (this.replica.running) return;
    if (this.replica.removed) badArgument(`member ${this.name} was removed from the cluster`);
    if (!this.#parts.faults.refuses(this.name)) await this.listen();
    const { cluster, replica } = this.#parts;
    replica.running = true;
    replica.madeAuthDirectories = false;
    if (!this.#started) this.#joinCluster();
    this.#started = true;
    cluster.review();
  }

  freeze(): void {
    if (!this.replica.running) return;
    this.replica.frozen = true;
    this.#parts.front.gate.close();
    this.#parts.cluster.review();
  }

  thaw(): void {
    this.replica.frozen = false;
    this.#parts.front.gate.open();
    this.#parts.cluster.review();
  }

  isolate({ heldWrites = "drop" }: { readonly heldWrites?: "drop" | "apply" | undefined } = {}): void {
    this.replica.isolated = true;
    this.replica.heldWrites = heldWrites;
    this.#parts.cluster.review();
  }

  join(): void {
    this.replica.isolated = false;
    this.#parts.cluster.review();
  }

  lag(on: boolean): void {
    this.replica.lagging = on;
    this.#parts.cluster.review();
  }

  /** Makes it a healthy, running member again. */
  async restore(): Promise<void> {
    this.replica.lagging = false;
    this.thaw();
    this.join();
    if (!this.replica.removed && this.#started) await this.start();
  }

  /** Closes or opens the listener, according to the faults of kind "refuse". */
  async followFaults(): Promise<void> {
    const { listener } = this.#parts;
    if (listener === undefined || !this.replica.running) return;
    if (this.listening) await listener.open();
    else {
      this.connections.cut();
      await listener.close();
    }
  }

  /** A member that a client added copies the data of another one, and publishes its name. */
  #joinCluster(): void {
    const { cluster, replica } = this.#parts;
    const source = cluster.voters.find((other) => other !== replica && other.running);
    if (source !== undefined) replica.copyFrom(source);
    replica.identity = { ...replica.identity, clientURLs: [this.endpoint] };
    const { identity } = replica;
    cluster.review();
    void cluster.propose(replica, (store) => publishToStore(store, identity));
  }
}
