import { durationMs } from "../durations.js";
import type { ConsulRequest } from "./consul-front.js";
import { failed, json, type ChangeLog, type FakeResponse } from "./fake-consul-responses.js";

interface Registration {
  readonly ID: string;
  readonly Name: string;
  readonly Tags?: readonly string[];
  readonly Port?: number;
  readonly Address?: string;
  readonly Meta?: Readonly<Record<string, string>>;
  readonly Check?: { readonly TTL: string; readonly DeregisterCriticalServiceAfter?: string; readonly Status?: string };
}

interface FakeNode {
  readonly name: string;
  readonly address: string;
}

interface FakeService {
  readonly node: FakeNode;
  readonly registration: Registration;
  passing: boolean;
  /** The expiry of the check. */
  timer: NodeJS.Timeout | undefined;
}

/** The agent of one node, and the catalog and the health of that node and of others that were written into the catalog. */
export class FakeServices {
  readonly #log: ChangeLog;
  readonly #own: FakeNode;
  readonly #ttlFactor: number;
  readonly #nodes = new Map<string, FakeNode>();
  /** By node and id. */
  readonly #services = new Map<string, FakeService>();
  /** The index of the last change of each service. */
  readonly #touched = new Map<string, number>();

  constructor(log: ChangeLog, node: string, ttlFactor: number) {
    this.#log = log;
    this.#own = { name: node, address: "127.0.0.1" };
    this.#nodes.set(node, this.#own);
    this.#ttlFactor = ttlFactor;
  }

  close(): void {
    for (const { timer } of this.#services.values()) clearTimeout(timer);
  }

  /** Undefined for an unknown path. */
  answer(request: ConsulRequest): FakeResponse | undefined {
    const [, call = "", rest = ""] = /^\/v1\/((?:agent|catalog|health)\/[a-z]+)(?:\/(.*))?$/.exec(request.path) ?? [];
    const name = decodeURIComponent(rest);
    const id = decodeURIComponent(rest.slice(rest.indexOf("/") + 1));
    const { index } = this.#log;
    switch (`${request.method} ${call}`) {
      case "GET agent/self":
        return json({ Config: { Datacenter: "dc1", NodeName: this.#own.name, Server: true }, Member: this.#member() });
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
      case "GET agent/service":
        return this.#registered(name);
      case "PUT agent/check":
        return rest.startsWith("pass/") ? this.#pass(id) : undefined;
      case "GET agent/services":
        return json(this.#ofNode(this.#own));
      case "PUT catalog/register":
        return this.#registerElsewhere(request);
      case "PUT catalog/deregister":
        return this.#deregisterElsewhere(request);
      case "GET catalog/datacenters":
        return json(["dc1"]);
      case "GET catalog/nodes":
        return { ...json([...this.#nodes.values()].map(shownNode)), index };
      case "GET catalog/node":
        return { ...json(this.#nodeNamed(name)), index };
      case "GET catalog/services":
        return { ...json(this.#names()), index };
      case "GET catalog/service":
        return { ...json(this.#find(name, request.query).map(inCatalog)), index };
      case "GET health/service":
        return { ...json(this.#healthy(name, request.query)), index: this.#touched.get(name.toLowerCase()) ?? 1 };
      default:
        return undefined;
    }
  }

  #register({ body }: ConsulRequest): FakeResponse {
    this.#add(this.#own, JSON.parse(body.toString()) as Registration);
    return done;
  }

  #add(node: FakeNode, registration: Registration): void {
    // as with a real Consul, watches of the id's previous service are not notified
    this.#take(node, registration.ID);
    const service: FakeService = {
      node,
      registration,
      passing: registration.Check === undefined || registration.Check.Status === "passing",
      timer: undefined,
    };
    this.#services.set(keyOf(node.name, registration.ID), service);
    if (service.passing) this.#arm(service);
    this.#touch(registration.Name);
  }

  #registerElsewhere({ body }: ConsulRequest): FakeResponse {
    const { Node: name, Address: address, Service } = JSON.parse(body.toString()) as ElsewhereRegistration;
    const node = { name, address };
    this.#nodes.set(name, node);
    const { Service: Name, ID = Name, ...rest } = Service;
    this.#add(node, { ...rest, ID, Name });
    return json(true);
  }

  #deregisterElsewhere({ body }: ConsulRequest): FakeResponse {
    const { Node, ServiceID } = JSON.parse(body.toString()) as { readonly Node: string; readonly ServiceID: string };
    this.#remove(Node, ServiceID);
    return json(true);
  }

  #deregister(id: string): FakeResponse {
    this.#remove(this.#own.name, id);
    return done;
  }

  #remove(node: string, id: string): void {
    const found = this.#nodes.get(node);
    const removed = found && this.#take(found, id);
    if (removed !== undefined) this.#touch(removed.registration.Name);
  }

  #take({ name }: FakeNode, id: string): FakeService | undefined {
    const service = this.#services.get(keyOf(name, id));
    clearTimeout(service?.timer);
    this.#services.delete(keyOf(name, id));
    return service;
  }

  #registered(id: string): FakeResponse {
    const service = this.#services.get(keyOf(this.#own.name, id));
    return service === undefined ? failed(404, `unknown service ID: ${id}`) : json(shown(service));
  }

  #pass(checkId: string): FakeResponse {
    const service = this.#services.get(keyOf(this.#own.name, checkId.replace(/^service:/, "")));
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
    const ttlMs = (durationMs(Check.TTL) ?? 0) * (this.#ttlFactor / 2);
    service.timer = setTimeout(() => {
      service.passing = false;
      this.#touch(Name);
      const afterMs = durationMs(Check.DeregisterCriticalServiceAfter ?? "");
      if (afterMs === undefined) return;
      service.timer = setTimeout(() => {
        this.#remove(service.node.name, ID);
      }, afterMs);
    }, ttlMs);
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
    return found.map((service) => ({ Node: shownNode(service.node), Service: shown(service), Checks: [] }));
  }

  #names(): Readonly<Record<string, readonly string[]>> {
    const names = new Map<string, Set<string>>([["consul", new Set()]]);
    for (const { registration } of this.#services.values()) {
      names.set(registration.Name, new Set([...(names.get(registration.Name) ?? []), ...(registration.Tags ?? [])]));
    }
    return Object.fromEntries([...names].map(([name, tags]) => [name, [...tags]]));
  }

  #nodeNamed(name: string): object | null {
    const node = this.#nodes.get(name);
    return node === undefined ? null : { Node: shownNode(node), Services: this.#ofNode(node) };
  }

  #ofNode(node: FakeNode): object {
    const services = [...this.#services.values()].filter((service) => service.node.name === node.name);
    return Object.fromEntries(services.map((service) => [service.registration.ID, shown(service)]));
  }

  #member(): object {
    return { Name: this.#own.name, Addr: "127.0.0.1", Port: 8301, Tags: { dc: "dc1", role: "consul" } };
  }
}

interface ElsewhereRegistration {
  readonly Node: string;
  readonly Address: string;
  readonly Service: Omit<Registration, "ID" | "Name"> & { readonly ID?: string; readonly Service: string };
}

const done: FakeResponse = { status: 200, body: "" };

function keyOf(node: string, id: string): string {
  return JSON.stringify([node, id]);
}

function shown({ registration: { ID, Name, Tags, Port, Address, Meta } }: FakeService): object {
  return { ID, Service: Name, Tags: Tags ?? [], Port: Port ?? 0, Address: Address ?? "", Meta: Meta ?? null };
}

function shownNode({ name, address }: FakeNode): object {
  return { Node: name, Address: address, Datacenter: "dc1", TaggedAddresses: { lan: address, wan: address } };
}

function inCatalog({ node, registration: { ID, Name, Tags, Port, Address } }: FakeService): object {
  return {
    ...shownNode(node),
    ServiceID: ID,
    ServiceName: Name,
    ServiceTags: Tags ?? [],
    ServiceAddress: Address ?? "",
    ServicePort: Port ?? 0,
  };
}
