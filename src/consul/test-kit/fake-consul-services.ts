import { durationMs } from "../durations.js";
import type { ConsulRequest } from "./consul-front.js";
import { failed, json, type ChangeLog, type FakeAnswer } from "./fake-consul-answers.js";

interface Registration {
  readonly ID: string;
  readonly Name: string;
  readonly Tags?: readonly string[];
  readonly Port?: number;
  readonly Address?: string;
  readonly Meta?: Readonly<Record<string, string>>;
  readonly Check?: { readonly TTL: string; readonly DeregisterCriticalServiceAfter?: string; readonly Status?: string };
}

interface FakeService {
  readonly registration: Registration;
  passing: boolean;
  timer: NodeJS.Timeout | undefined;
}

/** The agent, the catalog and the health of one node's services. */
export class FakeServices {
  readonly #log: ChangeLog;
  readonly #node: string;
  readonly #ttlFactor: number;
  readonly #services = new Map<string, FakeService>();
  /** When something of a service changed last. */
  readonly #touched = new Map<string, number>();

  constructor(log: ChangeLog, node: string, ttlFactor: number) {
    this.#log = log;
    this.#node = node;
    this.#ttlFactor = ttlFactor;
  }

  close(): void {
    for (const { timer } of this.#services.values()) clearTimeout(timer);
  }

  /** Undefined for a path that is unknown. */
  answer(request: ConsulRequest): FakeAnswer | undefined {
    const [, call = "", rest = ""] = /^\/v1\/((?:agent|catalog|health)\/[a-z]+)(?:\/(.*))?$/.exec(request.path) ?? [];
    const id = decodeURIComponent(rest.slice(rest.indexOf("/") + 1));
    const name = decodeURIComponent(rest);
    const { index } = this.#log;
    switch (`${request.method} ${call}`) {
      case "GET agent/self":
        return json({ Config: { Datacenter: "dc1", NodeName: this.#node, Server: true }, Member: this.#member() });
      case "GET agent/members":
        return json([this.#member()]);
      case "PUT agent/reload":
        return done;
      case "PUT agent/maintenance":
        return request.query.has("enable") ? done : failed(400, "Missing value for enable");
      case "PUT agent/service":
        return rest === "register"
          ? this.#register(request)
          : rest.startsWith("deregister/")
            ? this.#deregister(id)
            : undefined;
      case "PUT agent/check":
        return rest.startsWith("pass/") ? this.#pass(id) : undefined;
      case "GET agent/services":
        return json(Object.fromEntries([...this.#services].map(([each, service]) => [each, shown(service)])));
      case "GET catalog/datacenters":
        return json(["dc1"]);
      case "GET catalog/nodes":
        return { ...json([this.#shownNode()]), index };
      case "GET catalog/node":
        return { ...json(name === this.#node ? { Node: this.#shownNode(), Services: this.#ofNode() } : null), index };
      case "GET catalog/services":
        return { ...json(this.#names()), index };
      case "GET catalog/service":
        return { ...json(this.#find(name, request.query).map((each) => this.#inCatalog(each))), index };
      case "GET health/service":
        return { ...json(this.#healthy(name, request.query)), index: this.#touched.get(name.toLowerCase()) ?? 1 };
      default:
        return undefined;
    }
  }

  #register({ body }: ConsulRequest): FakeAnswer {
    const registration = JSON.parse(body.toString()) as Registration;
    this.#remove(registration.ID);
    const service: FakeService = {
      registration,
      passing: registration.Check === undefined || registration.Check.Status === "passing",
      timer: undefined,
    };
    this.#services.set(registration.ID, service);
    if (service.passing) this.#arm(service);
    this.#touch(registration.Name);
    return done;
  }

  #deregister(id: string): FakeAnswer {
    this.#remove(id);
    return done;
  }

  #remove(id: string): void {
    const service = this.#services.get(id);
    if (service === undefined) return;
    clearTimeout(service.timer);
    this.#services.delete(id);
    this.#touch(service.registration.Name);
  }

  #pass(checkId: string): FakeAnswer {
    const service = this.#services.get(checkId.replace(/^service:/, ""));
    if (service?.registration.Check === undefined)
      return failed(500, `CheckID "${checkId}" does not have associated TTL`);
    if (!service.passing) this.#touch(service.registration.Name);
    service.passing = true;
    this.#arm(service);
    return done;
  }

  /** The check of a real agent expires after its TTL, not after twice as long. */
  #arm(service: FakeService): void {
    clearTimeout(service.timer);
    const { Check, ID, Name } = service.registration;
    if (Check === undefined) return;
    service.timer = setTimeout(
      () => {
        service.passing = false;
        this.#touch(Name);
        const afterMs = durationMs(Check.DeregisterCriticalServiceAfter ?? "");
        if (afterMs !== undefined)
          service.timer = setTimeout(() => {
            this.#remove(ID);
          }, afterMs);
      },
      (durationMs(Check.TTL) ?? 0) * (this.#ttlFactor / 2),
    );
  }

  #touch(name: string): void {
    this.#touched.set(name.toLowerCase(), this.#log.advance());
  }

  /** Names are looked up without regard to case. */
  #find(name: string, query: URLSearchParams): readonly FakeService[] {
    const tags = query.getAll("tag");
    return [...this.#services.values()].filter(
      ({ registration }) =>
        registration.Name.toLowerCase() === name.toLowerCase() && tags.every((tag) => registration.Tags?.includes(tag)),
    );
  }

  #healthy(name: string, query: URLSearchParams): readonly object[] {
    const id = /^Service\.ID == "(.*)"$/.exec(query.get("filter") ?? "")?.[1];
    const found = this.#find(name, query).filter(
      ({ passing, registration }) => (passing || !query.has("passing")) && (id === undefined || registration.ID === id),
    );
    return found.map((service) => ({ Node: this.#shownNode(), Service: shown(service), Checks: [] }));
  }

  #names(): Readonly<Record<string, readonly string[]>> {
    const names = new Map<string, Set<string>>([["consul", new Set()]]);
    for (const { registration } of this.#services.values()) {
      names.set(registration.Name, new Set([...(names.get(registration.Name) ?? []), ...(registration.Tags ?? [])]));
    }
    return Object.fromEntries([...names].map(([name, tags]) => [name, [...tags]]));
  }

  #ofNode(): object {
    return Object.fromEntries([...this.#services].map(([id, service]) => [id, shown(service)]));
  }

  #inCatalog({ registration: { ID, Name, Tags, Port, Address } }: FakeService): object {
    return {
      ...this.#shownNode(),
      ServiceID: ID,
      ServiceName: Name,
      ServiceTags: Tags ?? [],
      ServiceAddress: Address ?? "",
      ServicePort: Port ?? 0,
    };
  }

  #shownNode(): object {
    return {
      Node: this.#node,
      Address: "127.0.0.1",
      Datacenter: "dc1",
      TaggedAddresses: { lan: "127.0.0.1", wan: "127.0.0.1" },
    };
  }

  #member(): object {
    return { Name: this.#node, Addr: "127.0.0.1", Port: 8301, Tags: { dc: "dc1", role: "consul" } };
  }
}

const done: FakeAnswer = { status: 200, body: "" };

function shown({ registration: { ID, Name, Tags, Port, Address, Meta } }: FakeService): object {
  return { ID, Service: Name, Tags: Tags ?? [], Port: Port ?? 0, Address: Address ?? "", Meta: Meta ?? null };
}
