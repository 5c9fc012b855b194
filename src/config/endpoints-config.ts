import type { Endpoints, EndpointsUpdate } from "./types.js";
import { UnionConfig, type ConfigOptions } from "./union-config.js";

/** The endpoints of services from several sources. */
export class EndpointsConfig extends UnionConfig<Endpoints, EndpointsUpdate> {
  /** @throws {UsageError} for a bad option */
  constructor(options: ConfigOptions = {}) {
    super((update) => update.endpoints, options);
  }
}
