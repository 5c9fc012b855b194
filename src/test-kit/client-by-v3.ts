import { Client as V2Client } from "../core/client.js";
import type { ClientOptions } from "../core/client-options.js";
import { v3Protocol } from "../v3/protocol.js";

/** The client, which speaks v3 unless its options say otherwise. */
export class Client extends V2Client {
  constructor(options: ClientOptions) {
    super({ protocol: v3Protocol(), ...options });
  }
}
