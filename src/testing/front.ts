import { createFace, targetOf, userOf, type Face } from "../server/face.js";
import { formFields, isFormType } from "../server/form.js";
import { cleanPath, EscapeError } from "../server/go-text.js";
import type { HttpRequest } from "../server/messages.js";
import { abortable } from "../util/signals.js";
import { settle } from "./clock.js";
import { faultyDelivery, replacedAnswer, type Delivery } from "./delivery.js";
import type { ActiveFault, Faults } from "./faults.js";
import type { MemberStore } from "./member-store.js";
import { Gate } from "./gate.js";

/** A request as the fake has seen it, without passwords. */
export interface SeenRequest {
  /** The name of the member that was asked. */
  readonly member: string;
  /** The HTTP method. */
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  /** The key. Absent: the request is not about keys. */
  readonly key?: string | undefined;
  /** Decoded; of a name that comes twice, the first value. */
  readonly query: Readonly<Record<string, string>>;
  /** As `query`; empty for a body that is not a form. */
  readonly form: Readonly<Record<string, string>>;
  /** The name in the credentials. Absent: there are none. */
  readonly user?: string | undefined;
  /** Of the response; undefined until there is one. Of a watch it is there as soon as the watch stands. */
  readonly status: number | undefined;
  /** When it came, in ms by the fake's clock. */
  readonly atMs: number;
}

export interface FrontOptions {
  readonly faults: Faults;
  readonly seen: (request: SeenRequest) => void;
  readonly v2: boolean;
  /** What a redirect's location stands for. */
  readonly redirectTo: (location: string, target: string) => string;
}

/** What is between a member's connections and its store: the list of requests, faults, and the member's being frozen. */
export class Front {
  /** Closed while the member is frozen. */
  readonly gate = new Gate();
  readonly #store: MemberStore;
  readonly #options: FrontOptions;
  readonly #face: Face;

  constructor(store: MemberStore, options: FrontOptions) {
    this.#store = store;
    this.#options = options;
    const { clusterId, version } = store.options;
    this.#face = createFace(store, { clusterId, version, v2: options.v2 });
  }

  /** Answers a request. Rejects with the reason of its signal. */
  async handle(request: HttpRequest): Promise<Delivery> {
    const seen = this.#record(request);
    await this.gate.passed(request.signal);
    const { key, user, member, method, query } = seen;
    const watch = key !== undefined && query["wait"] !== undefined && /^(1|t|true)$/i.test(query["wait"]);
    const active = this.#options.faults.take({ method, key, user, member, watch });
    const delivery = active === undefined ? await this.#plain(request) : await this.#underFault(active, request);
    await this.gate.passed(request.signal);
    if (delivery.kind === "answer") seen.status = delivery.answer.status;
    return delivery;
  }

  async #plain(request: HttpRequest): Promise<Delivery> {
    return { kind: "answer", answer: await this.#face(request) };
  }

  async #underFault({ fault, healed }: ActiveFault, request: HttpRequest): Promise<Delivery> {
    const { signal } = request;
    if (fault.kind === "resetBeforeApply") return { kind: "reset" };
    const redirectTo = (location: string): string => this.#options.redirectTo(location, request.target);
    const replaced = replacedAnswer(fault, this.#store.options.clusterId, redirectTo);
    if (replaced !== undefined) {
      if (fault.kind === "raftError" && fault.applied === true)
        void settle().then(() => this.#face({ ...request, signal: undefined }));
      return { kind: "answer", answer: replaced };
    }
    if (fault.kind === "slowHeaders") await this.#store.cluster.clock.sleep(fault.ms, signal);
    if (fault.kind === "blackHole" && fault.applied !== true) await abortable(healed, signal);
    const answer = await this.#face(request);
    if (fault.kind === "blackHole") await abortable(healed, signal);
    const delivery = faultyDelivery(fault, answer);
    // a watch whose events are not wanted is given up
    if (delivery.kind !== "answer" || delivery.answer.lines === undefined || delivery.cutAfter !== undefined)
      await answer.lines?.[Symbol.asyncIterator]().return?.();
    return delivery;
  }

  #record({ method, target, headers, body }: HttpRequest): {
    -readonly [Field in keyof SeenRequest]: SeenRequest[Field];
  } {
    const { path, query } = lenientTarget(target);
    const key = /^\/v2\/keys(\/.*|)$/s.exec(path)?.[1];
    const user = userOf(headers["authorization"]);
    const seen = {
      member: this.#store.replica.identity.name,
      method,
      path,
      ...(key !== undefined && { key: cleanPath(key) }),
      query: formFields(query),
      form: isFormType(headers["content-type"] ?? "") ? formFields(body.toString("latin1")) : {},
      ...(user !== undefined && { user }),
      status: undefined,
      atMs: this.#store.cluster.clock.now(),
    };
    this.#options.seen(seen);
    return seen;
  }
}

/** A path that cannot be decoded is shown as it came. */
function lenientTarget(target: string): { readonly path: string; readonly query: string } {
  try {
    return targetOf(target);
  } catch (error) {
    if (!(error instanceof EscapeError)) throw error;
    return { path: target.split("?", 1)[0] ?? "", query: "" };
  }
}
