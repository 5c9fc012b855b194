import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster, Member } from "../test-kit/etcd.js";
import type { LinkCut, PeerNetwork } from "../../src/test-kit/peer-network.js";
import type { Random } from "../../src/test-kit/random.js";
import type { Cut, TcpProxy } from "../../src/test-kit/tcp-proxy.js";

export interface Battlefield {
  readonly cluster: Cluster;
  /** The network between the members. */
  readonly network: PeerNetwork;
  /** The proxies between the client and each member, in the members' order. */
  readonly doors: readonly TcpProxy[];
}

/** Which faults a nemesis brings about. */
export interface NemesisOptions {
  /** Only the kinds whose name matches. Absent: all. */
  readonly only?: RegExp | undefined;
  /** How much longer every fault lasts, in ms. @default 0 */
  readonly moreMs?: number | undefined;
}

/** One fault: it begins, lasts, and is repaired. */
interface Fault {
  readonly name: string;
  readonly begin: () => void | Promise<void>;
  readonly end: () => void | Promise<void>;
}

/** Causes every kind of fault in a cluster, one after the other, as long as there is time. A seed decides the order. */
export class Nemesis {
  readonly #field: Battlefield;
  readonly #random: Random;
  readonly #log: (line: string) => void;
  readonly #kinds: readonly Kind[];
  readonly #moreMs: number;
  readonly #counts = new Map<string, number>();

  constructor(field: Battlefield, random: Random, log: (line: string) => void, options: NemesisOptions = {}) {
    this.#field = field;
    this.#random = random;
    this.#log = log;
    const { only } = options;
    this.#kinds = only === undefined ? kinds : kinds.filter(({ name }) => only.test(name));
    this.#moreMs = options.moreMs ?? 0;
  }

  /** How often each kind of fault was caused. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** Causes every kind at least once, in a random order, then again until the time is over. Ends early once the load has ended. */
  async rage(ms: number, isAlone: () => boolean): Promise<void> {
    const endMs = performance.now() + ms;
    for (let round = 0; round === 0 || performance.now() < endMs; round++) {
      for (const kind of this.#random.shuffled(this.#kinds)) {
        if (isAlone() || (round > 0 && performance.now() >= endMs)) return;
        await this.#bring(kind);
        await sleep(this.#random.whole(100, 600));
      }
    }
  }

  async #bring(kind: Kind): Promise<void> {
    const random = this.#random.fork();
    const order = random.shuffled([...this.#field.cluster.members.keys()]);
    const holdMs =
      this.#moreMs + (kind.moreMs ?? 0) + (random.chance(0.15) ? random.whole(3_000, 7_000) : random.whole(200, 1_800));
    const aim = random.pick(["any", "leader", "used"] as const);
    const aimedAt = aim === "any" ? undefined : aim === "leader" ? await this.#leader() : this.#used();
    const [first = 0, second = 0] = aimedAt === undefined ? order : [aimedAt, ...order.filter((i) => i !== aimedAt)];
    const faults = kind.make({ field: this.#field, random, first, second });
    this.#log(`${faults.map(({ name }) => name).join(" and ")} for ${String(holdMs)} ms (aimed at ${aim})`);
    this.#counts.set(kind.name, (this.#counts.get(kind.name) ?? 0) + 1);
    await Promise.all(faults.map(async ({ begin }) => begin()));
    await sleep(holdMs);
    // together: a member that starts may wait for the others
    await Promise.all(faults.map(async ({ end }) => end()));
  }

  async #leader(): Promise<number | undefined> {
    const leads = await Promise.all(this.#field.cluster.members.map((member) => member.leads()));
    const leader = leads.indexOf(true);
    return leader === -1 ? undefined : leader;
  }

  /** The member with the most client connections: the one that the client tries first. */
  #used(): number {
    const connections = this.#field.doors.map((door) => door.connections);
    return connections.indexOf(Math.max(...connections));
  }
}

interface Draw {
  readonly field: Battlefield;
  readonly random: Random;
  /** Two different members. */
  readonly first: number;
  readonly second: number;
}

interface Kind {
  readonly name: string;
  /** How much longer this fault lasts than others, in ms. */
  readonly moreMs?: number;
  readonly make: (draw: Draw) => readonly Fault[];
}

const linkCuts: readonly LinkCut[] = ["silent", "reset"];
const doorCuts: readonly Cut[] = ["hang", "refuse", "mute"];

const kinds: readonly Kind[] = [
  { name: "one killed", make: ({ field, first }) => [killed(field, first)] },
  { name: "one frozen", make: ({ field, first }) => [frozen(field, first)] },
  { name: "one restarted", make: ({ field, first }) => [restarted(field, first)] },
  ...linkCuts.map((how): Kind => ({
    name: `one cut off from the others (${how})`,
    make: ({ field, first }) => [isolated(field, first, how)],
  })),
  {
    name: "one link cut",
    make: ({ field, first, second, random }) => [unlinked(field, first, second, random.pick(linkCuts))],
  },
  ...doorCuts.map((how): Kind => ({
    name: `client cut off from one (${how})`,
    make: ({ field, first }) => [shut(field, first, how)],
  })),
  { name: "client's connections reset", make: ({ field }) => field.doors.map((_, i) => broken(field, i)) },
  { name: "two at once", make: (draw) => [one(draw, draw.first), one(draw, draw.second)] },
  { name: "two at once", make: (draw) => [one(draw, draw.first), one(draw, draw.second)] },
  { name: "two frozen", make: ({ field, first, second }) => [frozen(field, first), frozen(field, second)] },
  // time for every caller to find no server
  { name: "all killed", moreMs: 1_000, make: ({ field }) => everywhere(field, killed) },
  { name: "all frozen", make: ({ field }) => everywhere(field, frozen) },
  { name: "no leader", make: ({ field, random }) => [scattered(field, random.pick(linkCuts))] },
  {
    name: "client cut off from all",
    make: ({ field, random }) => everywhere(field, (_, i) => shut(field, i, random.pick(doorCuts))),
  },
];

type Make = (field: Battlefield, i: number) => Fault;

/** A random fault of one member. */
function one({ field, random }: Draw, i: number): Fault {
  const makes: readonly Make[] = [
    killed,
    frozen,
    restarted,
    broken,
    () => isolated(field, i, random.pick(linkCuts)),
    () => shut(field, i, random.pick(doorCuts)),
  ];
  return random.pick(makes)(field, i);
}

function everywhere(field: Battlefield, make: Make): readonly Fault[] {
  return field.doors.map((_, i) => make(field, i));
}

function killed(field: Battlefield, i: number): Fault {
  const member = memberOf(field, i);
  const door = field.doors[i];
  return {
    name: `${member.name} killed`,
    begin: async () => {
      await Promise.all([member.kill(), door?.leave()]);
    },
    end: async () => {
      await Promise.all([member.start(), door?.comeBack()]);
    },
  };
}

function frozen(field: Battlefield, i: number): Fault {
  const member = memberOf(field, i);
  return {
    name: `${member.name} frozen`,
    begin: () => {
      member.freeze();
    },
    end: () => {
      member.thaw();
    },
  };
}

function restarted(field: Battlefield, i: number): Fault {
  const member = memberOf(field, i);
  return { name: `${member.name} restarted`, begin: () => member.terminate(), end: () => member.start() };
}

function isolated({ network, ...field }: Battlefield, i: number, how: LinkCut): Fault {
  return {
    name: `${memberOf(field, i).name} cut off from the others (${how})`,
    begin: () => {
      network.isolate(i, how);
    },
    end: () => {
      network.join(i);
    },
  };
}

function unlinked({ network, ...field }: Battlefield, i: number, other: number, how: LinkCut): Fault {
  return {
    name: `${memberOf(field, i).name} and ${memberOf(field, other).name} cut off from each other (${how})`,
    begin: () => {
      network.cut(i, other, how);
    },
    end: () => {
      network.mend();
    },
  };
}

function scattered({ network }: Battlefield, how: LinkCut): Fault {
  return {
    name: `all members cut off from each other (${how})`,
    begin: () => {
      network.cutAll(how);
    },
    end: () => {
      network.mend();
    },
  };
}

function shut(field: Battlefield, i: number, how: Cut): Fault {
  const door = field.doors[i];
  return {
    name: `client cut off from ${memberOf(field, i).name} (${how})`,
    begin: () => door?.cut(how),
    end: () => door?.heal(),
  };
}

/** Loses the requests in progress; later ones get through. */
function broken(field: Battlefield, i: number): Fault {
  const heal = (): void => field.doors[i]?.heal();
  return { name: `client's connections to ${memberOf(field, i).name} reset`, begin: heal, end: heal };
}

function memberOf({ cluster }: Pick<Battlefield, "cluster">, i: number): Member {
  const member = cluster.members[i];
  if (member === undefined) throw new RangeError(`there is no member ${String(i)}`);
  return member;
}
