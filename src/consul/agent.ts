import type { Sender } from "../http/exchange.js";
import { badArgument, requireBoolean, requireText } from "../util/validate.js";
import { decode, Fields, list } from "./fields.js";
import { checkOptions, putSpec, request, requestOptionNames, specOf } from "./request.js";
import type { Agent, AgentInfo } from "./types.js";

/** The calls about the agent itself. */
export function agentCalls(sender: Sender): Agent {
  return {
    async self(options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", "/v1/agent/self", { dc });
      return decode(spec, await request(sender, spec, signal), readSelf);
    },
    async members(options = {}) {
      const { dc, signal } = checkOptions(options, membersOptionNames);
      requireBoolean("options.wan", options.wan);
      // any value, "false" too, means yes to Consul
      const spec = specOf("GET", "/v1/agent/members", { dc, wan: options.wan === true ? "true" : undefined });
      return decode(spec, await request(sender, spec, signal), (value) => list(value, readMember));
    },
    async reload(options) {
      const { dc, signal } = checkOptions(options);
      await request(sender, putSpec("/v1/agent/reload", { dc }), signal);
    },
    async maintenanceMode(enabled, reason = "", options) {
      if (typeof (enabled as unknown) !== "boolean") badArgument("enabled must be true or false");
      requireText("reason", reason);
      const { dc, signal } = checkOptions(options);
      await request(sender, putSpec("/v1/agent/maintenance", { dc, enable: String(enabled), reason }), signal);
    },
  };
}

function readSelf(value: unknown): AgentInfo {
  const self = new Fields(value);
  return { ...readMember(self.value("Member")), name: new Fields(self.value("Config")).text("NodeName") };
}

function readMember(value: unknown): AgentInfo {
  const member = new Fields(value);
  return {
    name: member.text("Name"),
    address: member.text("Addr"),
    port: member.number("Port"),
    tags: member.textMap("Tags"),
  };
}

const membersOptionNames: ReadonlySet<string> = new Set([...requestOptionNames, "wan"]);
