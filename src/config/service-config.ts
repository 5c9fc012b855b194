import type { Service, ServiceUpdate } from "./types.js";
import { UnionConfig, type ConfigOptions } from "./union-config.js";

/**
 * The services from several sources.
 *
 * @example
 * const services = new ServiceConfig();
 * services.registerHandler((all) => console.log(all.map(({ metadata }) => metadata.name)));
 * const sink = services.channel("etcd");
 */
export class ServiceConfig extends UnionConfig<Service, ServiceUpdate> {
  /** @throws {UsageError} for a bad option */
  constructor(options: ConfigOptions = {}) {
    super((update) => update.services, options);
  }
}
