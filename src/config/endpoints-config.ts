import type { Endpoints, EndpointsUpdate } from "./types.js";
import { UnionConfig, type ConfigOptions } from "./union-config.js";

/** The endpoints of services that several sources name. */
export class EndpointsConfig extends UnionConfig<Endpoints, EndpointsUpdate> {
  /** @throws {UsageError} for a bad option */
  constructor(options: ConfigOptions = {}) {
    super((update) => update.endpoints, options);
  }
}
