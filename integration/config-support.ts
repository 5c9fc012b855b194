import type { TestContext } from "node:test";
import {
  ConfigSourceEtcd,
  EndpointsConfig,
  jsonCodec,
  ServiceConfig,
  SourceAPI,
  etcdListerWatcher,
  type ConfigSourceEtcdOptions,
  type Endpoints,
  type Service,
  type Warning,
} from "../src/config/index.js";
import type { KeysAPI, KeysClient, Sender } from "../src/core/index.js";
import { endpoints, Recorder, service, showEndpoints, showService } from "../src/config/test-kit/config-objects.js";

/** Two configs, each with a handler that records its calls. */
export interface Configs {
  readonly serviceConfig: ServiceConfig;
  readonly endpointsConfig: EndpointsConfig;
  readonly services: Recorder<Service>;
  readonly endpoints: Recorder<Endpoints>;
}

export interface Running<S> extends Configs {
  readonly source: S;
  readonly warnings: readonly Warning[];
}

function configs(t: TestContext): Configs {
  const [serviceConfig, endpointsConfig] = [new ServiceConfig(), new EndpointsConfig()];
  const [services, endpointsRecorder] = [new Recorder<Service>(showService), new Recorder<Endpoints>(showEndpoints)];
  serviceConfig.registerHandler(services);
  endpointsConfig.registerHandler(endpointsRecorder);
  t.after(() => Promise.all([serviceConfig.close(), endpointsConfig.close()]));
  return { serviceConfig, endpointsConfig, services, endpoints: endpointsRecorder };
}

/** A source that does not read again periodically, unless the options say so: only events change its state. */
export function startEtcdSource(
  t: TestContext,
  client: KeysClient,
  root: string | undefined,
  options: Partial<ConfigSourceEtcdOptions> = {},
): Running<ConfigSourceEtcd> {
  const own = configs(t);
  const warnings: Warning[] = [];
  const source = new ConfigSourceEtcd({
    client,
    root,
    resyncMs: 0,
    services: own.serviceConfig.channel("etcd"),
    endpoints: own.endpointsConfig.channel("etcd"),
    onWarning: (warning) => warnings.push(warning),
    ...options,
  });
  t.after(() => source.close());
  return { ...own, source, warnings };
}

/** The same with the source API over list and watch. */
export function startApiSource(t: TestContext, client: KeysClient, root: string): Running<SourceAPI> {
  const own = configs(t);
  const warnings: Warning[] = [];
  const source = new SourceAPI({
    services: etcdListerWatcher({
      client,
      path: `${root}/specs`,
      decode: ({ key, value, modifiedIndex }) => jsonCodec.decodeService(value, { key, modifiedIndex }),
    }),
    endpoints: etcdListerWatcher({
      client,
      path: `${root}/endpoints`,
      decode: ({ key, value, modifiedIndex }) => jsonCodec.decodeEndpoints(value, { key, modifiedIndex }),
    }),
    periodMs: 200,
    reconnectMs: 100,
    serviceSink: own.serviceConfig.channel("api"),
    endpointsSink: own.endpointsConfig.channel("api"),
    onWarning: (warning) => warnings.push(warning),
  });
  t.after(() => source.close());
  return { ...own, source, warnings };
}

/** Writes a registry like the API server. Takes objects in the notation of {@link service} and {@link endpoints}. */
export class RegistryWriter {
  readonly #keys: KeysAPI;
  readonly #root: string;

  constructor(keys: KeysAPI, root: string) {
    this.#keys = keys;
    this.#root = root;
  }

  specKey(id: string): string {
    return `${this.#root}/specs/${id}`;
  }

  endpointsKey(id: string): string {
    return `${this.#root}/endpoints/${id}`;
  }

  /** @param text `ns/name:port` */
  async spec(text: string, how: "set" | "create" | "update" | "compareAndSwap" = "set"): Promise<void> {
    const key = this.specKey(text.split(":", 1)[0] ?? "");
    const value = jsonCodec.encodeService(service(text));
    if (how === "create") await this.#keys.create(key, value);
    else if (how === "set") await this.#keys.set(key, value);
    else
      await this.#keys.update(
        key,
        value,
        how === "update" ? {} : { prevIndex: (await this.#keys.get(key)).node.modifiedIndex },
      );
  }

  /** @param text `ns/name ip:port ip:port` */
  async endpoints(text: string): Promise<void> {
    await this.#keys.set(
      this.endpointsKey(text.split(" ", 1)[0] ?? ""),
      jsonCodec.encodeEndpoints(endpoints(text), "v1beta3"),
    );
  }
}

/** Passes requests on, and shows them to a test `before` they are sent and `after` the response. */
export function tapped(
  sender: Sender,
  hooks: {
    readonly before?: (path: string, query: string) => void;
    readonly after?: (path: string, query: string) => Promise<void> | void;
  },
): Sender {
  return {
    send: async (spec, signal) => {
      hooks.before?.(spec.path, spec.query ?? "");
      const raw = await sender.send(spec, signal);
      await hooks.after?.(spec.path, spec.query ?? "");
      return raw;
    },
  };
}
