import { createFace, targetOf, userOf, type Face } from "../server/face.js";
import { formFields, isFormType } from "../server/form.js";
import { cleanPath, EscapeError } from "../server/go-text.js";
import type { HttpRequest } from "../server/messages.js";
import { abortable } from "../util/signals.js";
import { settle } from "./clock.js";
import { faultyDelivery, replacedResponse, type Delivery } from "./delivery.js";
import type { ActiveFault, Faults } from "./faults.js";
import type { MemberStore } from "./member-store.js";
import { Gate } from "./gate.js";

/** A request that the fake has received, without passwords. */
export interface SeenRequest {
  /** The name of the member that received it. */
  readonly member: string;
  /** The HTTP method. */
  readonly method: string;
  /** Decoded, without the query. */
  readonly path: string;
  /** The key. Absent: the request is not about keys. */
  readonly key?: string | undefined;
  /** The decoded query. If a name occurs twice, its first value. */
  readonly query: Readonly<Record<string, string>>;
  /** The decoded form, like `query`. Empty if the body is not a form. */
  readonly form: Readonly<Record<string, string>>;
  /** The user name in the credentials. Absent: it has none. */
  readonly user?: string | undefined;
  /** The status of the response; undefined until there is one. A watch has its status as soon as it waits. */
  readonly status: number | undefined;
  /** When it arrived, in ms since 1970, by the fake's clock. */
  readonly atMs: number;
}

export interface FrontOptions {
  readonly faults: Faults;
  readonly seen: (request: SeenRequest) => void;
  readonly v2: boolean;
  /** The URL that a redirect's location stands for. */
  readonly redirectTo: (location: string, target: string) => string;
}

/** Sits between a member's connections and its store: records requests, applies faults, holds requests while the member is frozen. */
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

  /** Responds to a request. Rejects with the reason of its signal. */
  async handle(request: HttpRequest): Promise<Delivery> {
    const seen = this.#record(request);
    await this.gate.passed(request.signal);
    const { key, user, member, method, query } = seen;
    const watch = key !== undefined && query["wait"] !== undefined && /^(1|t|true)$/i.test(query["wait"]);
    const active = this.#options.faults.take({ method, key, user, member, watch });
    const delivery = active === undefined ? await this.#plain(request) : await this.#underFault(active, request);
    await this.gate.passed(request.signal);
    if (delivery.kind === "response") seen.status = delivery.response.status;
    return delivery;
  }

  async #plain(request: HttpRequest): Promise<Delivery> {
    return { kind: "response", response: await this.#face(request) };
  }

  async #underFault({ fault, healed }: ActiveFault, request: HttpRequest): Promise<Delivery> {
    const { signal } = request;
    if (fault.kind === "resetBeforeApply") return { kind: "reset" };
    const redirectTo = (location: string): string => this.#options.redirectTo(location, request.target);
    const replaced = replacedResponse(fault, this.#store.options.clusterId, redirectTo);
    if (replaced !== undefined) {
      if (fault.kind === "raftError" && fault.applied === true)
        void settle().then(() => this.#face({ ...request, signal: undefined }));
      return { kind: "response", response: replaced };
    }
    if (fault.kind === "slowHeaders") await this.#store.cluster.clock.sleep(fault.ms, signal);
    if (fault.kind === "blackHole" && fault.applied !== true) await abortable(healed, signal);
    const response = await this.#face(request);
    if (fault.kind === "blackHole") await abortable(healed, signal);
    const delivery = faultyDelivery(fault, response);
    // the events of this watch are not read any more
    if (delivery.kind !== "response" || delivery.response.lines === undefined || delivery.cutAfter !== undefined)
      await response.lines?.[Symbol.asyncIterator]().return?.();
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

/** A path that cannot be decoded is recorded as it was sent. */
function lenientTarget(target: string): { readonly path: string; readonly query: string } {
  try {
    return targetOf(target);
  } catch (error) {
    if (!(error instanceof EscapeError)) throw error;
    return { path: target.split("?", 1)[0] ?? "", query: "" };
  }
}
