import type { Sender } from "../http/exchange.js";
import { requireFields, type Checks } from "../util/fields.js";
import { object, text, type JsonReader, type Read } from "../util/reader.js";
import { badArgument, kindOf, requireBoolean, requireText } from "../util/validate.js";
import { decode, decodeList, numberOrZero, textOrEmpty } from "./decode.js";
import { checkOptions, putSpec, request, requestChecks, specOf } from "./request.js";
import type { Agent, AgentInfo, MembersOptions } from "./types.js";

/** The calls about the agent itself. */
export function agentCalls(sender: Sender): Agent {
  return {
    async self(options) {
      const { dc, signal } = checkOptions(options);
      const spec = specOf("GET", "/v1/agent/self", { dc });
      return (
        decode(spec, await request(sender, spec, signal), readSelf) ?? { name: "", address: "", port: 0, tags: {} }
      );
    },
    async members(options = {}) {
      requireFields("options", options, membersChecks);
      const { dc, signal, wan } = options;
      // Consul treats any value as true, even "false"
      const spec = specOf("GET", "/v1/agent/members", { dc, wan: wan === true ? "true" : undefined });
      return decodeList(spec, await request(sender, spec, signal), readMember);
    },
    async reload(options) {
      const { dc, signal } = checkOptions(options);
      await request(sender, putSpec("/v1/agent/reload", { dc }), signal);
    },
    async maintenanceMode(enabled, reason = "", options) {
      if (typeof (enabled as unknown) !== "boolean")
        badArgument(`enabled must be true or false, got ${kindOf(enabled)}`);
      requireText("reason", reason);
      const { dc, signal } = checkOptions(options);
      await request(sender, putSpec("/v1/agent/maintenance", { dc, enable: String(enabled), reason }), signal);
    },
  };
}

const readSelf: Read<AgentInfo> = (value, place) => {
  const self = object(value, place);
  const config = self.get("Config", object);
  return { ...memberOf(self.get("Member", object)), name: config === undefined ? "" : textOrEmpty(config, "NodeName") };
};

const readMember: Read<AgentInfo> = (value, place) => memberOf(object(value, place));

function memberOf(member: JsonReader | undefined): AgentInfo {
  if (member === undefined) return { name: "", address: "", port: 0, tags: {} };
  return {
    name: textOrEmpty(member, "Name"),
    address: textOrEmpty(member, "Addr"),
    port: numberOrZero(member, "Port"),
    tags: member.record("Tags", text) ?? {},
  };
}

const membersChecks: Checks<MembersOptions> = { ...requestChecks, wan: requireBoolean };
