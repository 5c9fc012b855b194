import { badArgument } from "../util/validate.js";

/** Which requests a fault applies to. Absent fields match every request. */
export interface FaultMatch {
  /** "GET", "PUT", "POST" or "DELETE"; several separated by a space. */
  readonly method?: string | undefined;
  /** A key, or a prefix that ends in `*`. A request that is not about keys has none. */
  readonly key?: string | undefined;
  /** The name in the credentials. */
  readonly user?: string | undefined;
  /** A member's name. */
  readonly member?: string | undefined;
  /** True: only watches. False: everything but watches. */
  readonly watch?: boolean | undefined;
}

/** How a request fails. */
export type Fault =
  /** The member's listener is down until the fault is healed. Matches by `member` alone, and has no `times`. */
  | { readonly kind: "refuse" }
  /** The connection is reset without a response, and the write was not applied. */
  | { readonly kind: "resetBeforeApply" }
  /** The connection is reset without a response, but the write was applied. */
  | { readonly kind: "resetAfterApply" }
  /** The connection ends without a response, but the write was applied. */
  | { readonly kind: "closeAfterApply" }
  /** No response until the fault is healed; the write is applied then, or at once if `applied` is true. */
  | { readonly kind: "blackHole"; readonly applied?: boolean | undefined }
  /** The headers, or the body after them, are delayed by `ms`. */
  | { readonly kind: "slowHeaders" | "slowBody"; readonly ms: number }
  /** Status, headers and the first `bytes` of the body (default: 0), then a reset. A watch gets the headers only. */
  | { readonly kind: "cutBody"; readonly bytes?: number | undefined }
  /** The right status and headers, but no body. */
  | { readonly kind: "emptyBody" }
  /** A proxy's own response: `body` is text or, if `type` says so, something else. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly body?: string | undefined;
      /** @default "text/plain" */
      readonly type?: string | undefined;
    }
  /** 500 with error code 300; the write is applied afterwards if `applied` is true. */
  | { readonly kind: "raftError"; readonly cause?: string | undefined; readonly applied?: boolean | undefined }
  /** A redirect. If `location` is an endpoint of the fake, the path is added to it. Absent: there is no such header. */
  | { readonly kind: "redirect"; readonly status: 301 | 302 | 307 | 308; readonly location?: string | undefined }
  /** 200 with a body that no etcd sends. */
  | { readonly kind: "garbage"; readonly what: Garbage }
  /** 404, as an etcd without `--enable-v2`. */
  | { readonly kind: "v2Off" }
  /** The write is applied, and the response has `X-Etcd-Index` twice, or not at all. */
  | { readonly kind: "duplicateHeaders" | "noIndexHeader" };

/** Bodies that no etcd sends: not JSON, two objects, a number in place of a text, an index above 2^53. */
export type Garbage = "notJson" | "twoObjects" | "numberForText" | "hugeIndex";

/** A fault that {@link FakeEtcd.fail} has set up. */
export interface FaultHandle {
  /** How many requests it was applied to so far. */
  readonly hits: number;
  /** Ends the fault, and releases the requests that it holds. Idempotent. */
  heal(): void;
}

/** The properties of a request that are matched. */
export interface FaultTarget {
  readonly method: string;
  readonly key: string | undefined;
  readonly user: string | undefined;
  readonly member: string;
  readonly watch: boolean;
}

/** A fault that applies to a request. */
export interface ActiveFault {
  readonly fault: Fault;
  /** Resolves when it is healed. */
  readonly healed: Promise<void>;
}

/** The active faults. */
export class Faults {
  #rules: Rule[] = [];
  readonly #onRefuse: () => void;

  /** @param onRefuse called when listeners must be closed or opened */
  constructor(onRefuse: () => void) {
    this.#onRefuse = onRefuse;
  }

  add(match: FaultMatch, fault: Fault, times: number): FaultHandle {
    if (fault.kind === "refuse" && Object.keys(match).some((name) => name !== "member"))
      badArgument(
        'a fault of kind "refuse" matches by member alone: the connection is refused before there is a request',
      );
    const rule = new Rule(match, fault, times, () => {
      this.#rules = this.#rules.filter((other) => other !== rule);
      if (fault.kind === "refuse") this.#onRefuse();
    });
    this.#rules.unshift(rule);
    if (fault.kind === "refuse") this.#onRefuse();
    return rule;
  }

  /** The fault that applies to a request: the one added last of those that match. */
  take(target: FaultTarget): ActiveFault | undefined {
    const rule = this.#rules.find((candidate) => candidate.matches(target));
    rule?.hit();
    return rule;
  }

  /** Whether a member refuses connections. */
  refuses(member: string): boolean {
    return this.#rules.some(({ fault, match }) => fault.kind === "refuse" && (match.member ?? member) === member);
  }

  /** Heals all faults. */
  clear(): void {
    for (const rule of Array.from(this.#rules)) rule.heal();
  }
}

class Rule implements FaultHandle, ActiveFault {
  readonly match: FaultMatch;
  readonly fault: Fault;
  readonly healed: Promise<void>;
  readonly #times: number;
  readonly #onHeal: () => void;
  readonly #release: () => void;
  #hits = 0;

  constructor(match: FaultMatch, fault: Fault, times: number, onHeal: () => void) {
    this.match = match;
    this.fault = fault;
    this.#times = times;
    this.#onHeal = onHeal;
    const { promise, resolve } = withResolver();
    this.healed = promise;
    this.#release = resolve;
  }

  get hits(): number {
    return this.#hits;
  }

  hit(): void {
    this.#hits++;
  }

  heal(): void {
    this.#onHeal();
    this.#release();
  }

  matches(target: FaultTarget): boolean {
    const { method, key, user, member, watch } = this.match;
    return (
      this.fault.kind !== "refuse" &&
      this.#hits < this.#times &&
      (method === undefined || method.toUpperCase().split(" ").includes(target.method)) &&
      (key === undefined || matchesKey(key, target.key)) &&
      (user === undefined || user === target.user) &&
      (member === undefined || member === target.member) &&
      (watch === undefined || watch === target.watch)
    );
  }
}

function matchesKey(pattern: string, key: string | undefined): boolean {
  if (key === undefined) return false;
  const absolute = pattern.startsWith("/") ? pattern : `/${pattern}`;
  return absolute.endsWith("*") ? key.startsWith(absolute.slice(0, -1)) : key === absolute;
}

function withResolver(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
