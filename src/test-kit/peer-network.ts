import { once } from "node:events";
import net, { type AddressInfo, type Server, type Socket } from "node:net";

/** How a link is cut. `silent`: like a pulled cable, and data sent meanwhile arrives after the repair; `reset`: existing and new connections are closed. */
export type LinkCut = "silent" | "reset";

/**
 * What the members of a cluster reach each other through, so that their links can be cut one by one: a TCP proxy before
 * each member's peer port. Give `advertise` to `startCluster` as `advertisePeerUrl`. For plain-HTTP members only: the
 * caller is read from the `X-PeerURLs` header of etcd's requests.
 */
export class PeerNetwork implements AsyncDisposable {
  readonly #doors = new Map<number, { readonly server: Server; readonly url: string; target: URL }>();
  readonly #links = new Set<Link>();
  readonly #cuts = new Map<string, LinkCut>();

  /** The proxy's URL under which the others reach the member. It stays the same when the member starts elsewhere. */
  advertise = async ({ index, peerUrl }: { readonly index: number; readonly peerUrl: string }): Promise<string> => {
    const known = this.#doors.get(index);
    if (known !== undefined) {
      known.target = new URL(peerUrl);
      return known.url;
    }
    const server = net.createServer((caller) => {
      const target = this.#doors.get(index)?.target;
      if (target === undefined) caller.destroy();
      else this.#open(caller, index, target);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    this.#doors.set(index, { server, url, target: new URL(peerUrl) });
    return url;
  };

  cut(one: number, other: number, how: LinkCut): void {
    this.#cuts.set(pairOf(one, other), how);
    this.#apply();
  }

  /** Cuts a member off from all others; clients still reach it. */
  isolate(member: number, how: LinkCut): void {
    for (const other of this.#doors.keys()) if (other !== member) this.cut(member, other, how);
  }

  /** Cuts every link. */
  cutAll(how: LinkCut): void {
    for (const member of this.#doors.keys()) this.isolate(member, how);
  }

  mend(): void {
    this.#cuts.clear();
    this.#apply();
  }

  /** Repairs what `isolate` cut. */
  join(member: number): void {
    for (const other of this.#doors.keys()) this.#cuts.delete(pairOf(member, other));
    this.#apply();
  }

  async close(): Promise<void> {
    for (const link of this.#links) link.close();
    await Promise.all(
      [...this.#doors.values()].map(async ({ server }) => {
        if (!server.listening) return;
        server.close();
        await once(server, "close");
      }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(caller: Socket, to: number, target: URL): void {
    const link = new Link(
      caller,
      target,
      (head) => {
        const from = this.#callerIn(head);
        return from === undefined ? undefined : pairOf(from, to);
      },
      (pair) => this.#cuts.get(pair),
    );
    this.#links.add(link);
    caller.once("close", () => this.#links.delete(link));
  }

  /** A connection may begin with requests that do not identify the sender, and carry raft's messages later. */
  #callerIn(text: string): number | undefined {
    const url = /^x-peerurls:\s*([^\s,]+)/im.exec(text)?.[1];
    return [...this.#doors].find(([, door]) => door.url === url)?.[0];
  }

  #apply(): void {
    for (const link of this.#links) link.apply();
  }
}

/** One connection between two members. */
class Link {
  readonly #ends: readonly [caller: Socket, callee: Socket];
  readonly #pairIn: (text: string) => string | undefined;
  readonly #cutOf: (pair: string) => LinkCut | undefined;
  #pair: string | undefined;
  #head = "";
  /** Data that arrived while the link was cut, in order. */
  #held: { readonly to: Socket; readonly bytes: Buffer }[] = [];

  constructor(
    caller: Socket,
    target: URL,
    pairIn: (text: string) => string | undefined,
    cutOf: (pair: string) => LinkCut | undefined,
  ) {
    const callee = net.connect(Number(target.port), target.hostname);
    this.#ends = [caller, callee];
    this.#pairIn = pairIn;
    this.#cutOf = cutOf;
    for (const [from, to] of [
      [caller, callee],
      [callee, caller],
    ] as const) {
      from.setNoDelay(true);
      from.on("error", () => undefined);
      from.once("close", () => to.destroy());
      from.on("data", (bytes: Buffer) => {
        if (from === caller && this.#pair === undefined) this.#identify(bytes);
        this.#pass(to, bytes);
      });
    }
  }

  apply(): void {
    const cut = this.#cut();
    if (cut === "reset") {
      this.close();
      return;
    }
    for (const socket of this.#ends) {
      if (cut === "silent") socket.pause();
      else socket.resume();
    }
    if (cut === "silent") return;
    for (const { to, bytes } of this.#held) to.write(bytes);
    this.#held = [];
  }

  close(): void {
    for (const socket of this.#ends) socket.destroy();
  }

  #identify(bytes: Buffer): void {
    // the end of what came before, since a header may arrive in two pieces
    this.#head = this.#head.slice(-1_000) + bytes.toString("latin1");
    this.#pair = this.#pairIn(this.#head);
    if (this.#pair !== undefined) this.#head = "";
  }

  #pass(to: Socket, bytes: Buffer): void {
    if (this.#cut() === undefined) {
      to.write(bytes);
      return;
    }
    this.#held.push({ to, bytes });
    this.apply();
  }

  #cut(): LinkCut | undefined {
    return this.#pair === undefined ? undefined : this.#cutOf(this.#pair);
  }
}

function pairOf(one: number, other: number): string {
  return `${String(Math.min(one, other))}-${String(Math.max(one, other))}`;
}
