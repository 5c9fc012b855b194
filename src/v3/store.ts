import type { AdminCall, KeysCall, WatchCall } from "../core/call.js";
import type {
  Administered,
  CallContext,
  Credentials,
  Done,
  KeysStore,
  KeysWatch,
  Refused,
} from "../core/keys-store.js";
import type { Exchange, RequestLimits } from "../http/exchange.js";
import { EndpointError, ResponseError } from "../util/errors.js";
import { isLogLoaded, log } from "../util/log.js";
import { administer } from "./admin.js";
import { ClusterView } from "./cluster-view.js";
import { deleteKey } from "./deletes.js";
import { Gateway, GatewayError, grpcCode, type EndpointBase } from "./gateway.js";
import { Hints } from "./hints.js";
import { createInOrder } from "./in-order.js";
import { ancestorsOf, Layout, maxSegments } from "./layout.js";
import { LeaseTimes } from "./lease-times.js";
import { maxTtl } from "./leases.js";
import { nowhere, placeOf, refused } from "./nodes.js";
import { read, transact } from "./operations.js";
import type { ResolvedV3Options } from "./options.js";
import { get } from "./reads.js";
import { refresh } from "./refresh.js";
import { Session } from "./session.js";
import { anonymous, Tokens, WrongPasswordError, type Identity } from "./tokens.js";
import { WatchHub } from "./watch-hub.js";
import { WatchDeniedError } from "./watch-stream.js";
import { write } from "./writes.js";

/** A call's context, and how long it may take. */
export interface V3Context extends CallContext {
  readonly limits?: RequestLimits | undefined;
}

/** What all endpoints of a client know together. */
export interface SharedState {
  readonly view: ClusterView;
  readonly leaseTimes: LeaseTimes;
  readonly hints: Hints;
}

/** The state of a new client. */
export function newSharedState(): SharedState {
  return { view: new ClusterView(), leaseTimes: new LeaseTimes(), hints: new Hints() };
}

/** The v2 store that one endpoint's v3 store is used as. */
export class V3Store implements KeysStore {
  readonly #gateway: Gateway;
  readonly #layout: Layout;
  readonly #options: ResolvedV3Options;
  readonly #shared: SharedState;
  readonly #closed = new AbortController();
  readonly #tokens: Tokens;
  readonly #hub: WatchHub;

  constructor(exchange: Exchange, base: EndpointBase, options: ResolvedV3Options, shared: SharedState) {
    this.#gateway = new Gateway(exchange, base);
    this.#layout = new Layout(options.namespace);
    this.#options = options;
    this.#shared = shared;
    this.#tokens = new Tokens(this.#gateway, this.#closed.signal);
    this.#hub = new WatchHub(options);
  }

  execute(call: KeysCall, context: V3Context): Promise<Done | Refused> {
    const unsupported = whyUnsupported(call);
    if (unsupported !== undefined) return Promise.resolve(refused(nowhere, "invalidField", unsupported));
    return this.#asUser(context, (identity) => perform(this.#session(identity, context.signal, context.limits), call));
  }

  watch(call: WatchCall, context: V3Context): Promise<KeysWatch | Refused> {
    return this.#asUser(context, (identity) =>
      this.#hub.open(this.#session(identity, undefined, undefined), {
        call,
        user: context.credentials?.username ?? "",
        signal: context.signal,
        idleMs: context.limits?.idleMs ?? Infinity,
      }),
    );
  }

  async administer(call: AdminCall, context: V3Context): Promise<Administered> {
    const done = await this.#asUser(context, (identity) =>
      administer(this.#session(identity, context.signal, context.limits), call, () =>
        this.#tokens.isAuthOn(context.signal),
      ),
    );
    if ("status" in done) return done;
    return { status: 401, json: { message: "Insufficient credentials" } };
  }

  close(): Promise<void> {
    this.#closed.abort();
    this.#hub.close();
    return Promise.resolve();
  }

  #session(identity: Identity, signal: AbortSignal | undefined, limits: RequestLimits | undefined): Session {
    return new Session({
      gateway: this.#gateway,
      layout: this.#layout,
      options: this.#options,
      identity,
      signal,
      limits,
      view: this.#shared.view,
      leaseTimes: this.#shared.leaseTimes,
      hints: this.#shared.hints,
    });
  }

  /** Runs a call as its user: once more with a new token if the server refuses the one that is known, or the rights it was narrowed to. */
  #asUser<T>({ credentials, signal }: V3Context, run: (identity: Identity) => Promise<T>): Promise<T | Refused> {
    return credentials === undefined
      ? run(anonymous).catch((error: unknown) => this.#refusal(error, signal))
      : this.#asNamedUser(credentials, signal, run);
  }

  async #asNamedUser<T>(
    credentials: Credentials,
    signal: AbortSignal | undefined,
    run: (identity: Identity) => Promise<T>,
  ): Promise<T | Refused> {
    let identity: Identity | undefined;
    try {
      identity = await this.#tokens.identityOf(credentials, signal);
      return await run(identity);
    } catch (error) {
      if (identity === undefined || !isAboutRights(error)) return this.#refusal(error, signal);
      await this.#tokens.drop(credentials, identity);
      try {
        return await run(await this.#tokens.identityOf(credentials, signal));
      } catch (again) {
        return this.#refusal(again, signal);
      }
    }
  }

  /** The refusal for the caller, if the gateway refused. Throws everything else. */
  async #refusal(error: unknown, signal: AbortSignal | undefined): Promise<Refused> {
    const denied = refused(nowhere, "unauthorized", "Insufficient credentials");
    if (error instanceof WrongPasswordError || error instanceof WatchDeniedError) return denied;
    if (!(error instanceof GatewayError)) throw error;
    const { code, message, status, readOnly, retryAfterMs } = error;
    const tooLarge = refused(
      nowhere,
      "invalidForm",
      `${message} (the server's limit is --max-request-bytes, 1.5 MiB by default)`,
    );
    switch (code) {
      case grpcCode.unauthenticated:
      case grpcCode.permissionDenied:
        return denied;
      case grpcCode.resourceExhausted:
        // gRPC's own limit. Otherwise the server is overloaded or has no space: it says so of writes that it has carried out, too
        if (message.includes("larger than max")) return tooLarge;
        break;
      case grpcCode.invalidArgument:
        // a call without a token, while authentication is on, is refused with this code, too
        return /token|user name|authentication/i.test(message) ||
          (await this.#tokens.isAuthOn(signal).catch(() => false))
          ? denied
          : tooLarge;
      default:
        break;
    }
    const outcome = readOnly ? "notApplied" : "unknown";
    const endpoint = this.#gateway.base.url;
    if (status >= 500 || isFailure(code)) {
      const fields = { endpoint, outcome, status, errorCode: 300, serverCause: message, retryAfterMs } as const;
      throw new EndpointError("ERR_SERVER", `endpoint ${endpoint} answered ${String(status)}: ${message}`, fields);
    }
    throw new ResponseError(
      "ERR_STATUS",
      `${endpoint} answered ${String(status)}: ${message} (gRPC code ${String(code)})`,
      { status, outcome: isRefusal(code) ? "notApplied" : outcome, retryAfterMs },
    );
  }
}

/** Whether the code is about the state of the server, whatever the status: canceled while it is being stopped, exhausted, unavailable. */
function isFailure(code: number): boolean {
  const { canceled, resourceExhausted, unavailable } = grpcCode;
  return [canceled, resourceExhausted, unavailable].some((each) => each === code);
}

/** Whether etcd means by the code that it did not carry out the request, whatever the request was. */
function isRefusal(code: number): boolean {
  const { invalidArgument, notFound, failedPrecondition, outOfRange } = grpcCode;
  return [invalidArgument, notFound, failedPrecondition, outOfRange].some((each) => each === code);
}

function isAboutRights(error: unknown): boolean {
  if (error instanceof WatchDeniedError) return true;
  return (
    error instanceof GatewayError &&
    [grpcCode.unauthenticated, grpcCode.permissionDenied, grpcCode.invalidArgument].some((code) => code === error.code)
  );
}

/** Why a call cannot be carried out on v3, whatever the store holds. */
function whyUnsupported(call: KeysCall): string | undefined {
  if (call.kind === "get" || call.kind === "delete" || call.kind === "compareAndDelete") return undefined;
  const { dir, ttl, key } = call;
  if (dir && ttl !== undefined) return "directories have no TTL over etcd's v3 API";
  if (ttl !== undefined && ttl > maxTtl) return `a TTL has at most ${String(maxTtl)} s over etcd's v3 API`;
  return ancestorsOf(key).length >= maxSegments
    ? `a key has at most ${String(maxSegments)} segments over etcd's v3 API`
    : undefined;
}

function perform(session: Session, call: KeysCall): Promise<Done | Refused> {
  const { key, kind } = call;
  // curl lines show it: until the log is loaded it is not known whether there are any
  const note = log.curl.enabled || !isLogLoaded() ? noteOf(call) : undefined;
  if (kind === "get") return get(session, call, note);
  if (key === "/" && kind !== "createInOrder") return refuseRoot(session, call, note);
  if (kind === "delete" || kind === "compareAndDelete") return deleteKey(session, call, note);
  if (call.kind === "set" || call.kind === "update" || call.kind === "compareAndSwap") {
    return call.refresh ? refresh(session, call, note) : write(session, call, note);
  }
  return call.kind === "createInOrder"
    ? createInOrder(session, call, note)
    : write(session, { ...call, kind: "create" }, note);
}

async function refuseRoot(session: Session, { kind }: KeysCall, note: string | undefined): Promise<Refused> {
  const look = { success: [read({ key: session.layout.marker("/") }, { keysOnly: true })] };
  const { header } = await transact(session, look, { readOnly: true, note });
  // v2's cause of 102 is the key without the root's slash
  return kind === "compareAndDelete"
    ? refused(placeOf(header), "notFile", "")
    : refused(placeOf(header), "rootReadOnly", "/");
}

/** The call behind a request, for curl lines: keys and values in base64 are hard to read. */
function noteOf(call: KeysCall): string {
  const value = "value" in call && !call.dir ? ` value=${JSON.stringify(call.value)}` : "";
  return `${call.kind} ${JSON.stringify(call.key)}${value}`;
}
