import type { Service, ServiceUpdate } from "./types.js";
import { UnionConfig, type ConfigOptions } from "./union-config.js";

/** The services that several sources name. */
export class ServiceConfig extends UnionConfig<Service, ServiceUpdate> {
  /** @throws {UsageError} for a bad option */
  constructor(options: ConfigOptions = {}) {
    super((update) => update.services, options);
  }
}
