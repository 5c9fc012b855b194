import type { AddMemberCall, AdminCall, UpdateMemberCall } from "../core/call.js";
import type { Administered } from "../core/keys-store.js";
import { authCall } from "./auth.js";
import { decimal, headerOf, hex, int64, objectOf, objectsOf, textOf, textsOf, type Json } from "./decode.js";
import { GatewayError, grpcCode } from "./gateway.js";
import type { Session } from "./session.js";

/** A member as v2's JSON has it. */
interface MemberJson {
  readonly id: string;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
}

const readOnly = { readOnly: true } as const;

/**
 * Members, auth and stats as v2 answers them. Rejects as `Session.post` does, but for refusals that v2 has a status for.
 *
 * @param isAuthOn whether the server asks for users
 */
export async function administer(
  session: Session,
  call: AdminCall,
  isAuthOn: () => Promise<boolean>,
): Promise<Administered> {
  switch (call.kind) {
    case "listMembers":
      return { status: 200, ...(await members(session)) };
    case "leader":
      return leader(session);
    case "addMember":
    case "updateMember":
      return changeMembers(session, call);
    case "removeMember":
      return changeMembers(session, { kind: call.kind, name: call.name });
    case "selfStats":
      return selfStats(session);
    case "leaderStats":
      return leaderStats(session);
    case "authStatus":
      return { status: 200, json: { enabled: await isAuthOn() } };
    case "version":
    case "health":
    case "storeStats":
      return { status: 404, json: { message: "Not found" } };
    case "authEnable":
    case "authDisable":
    case "listUsers":
    case "listRoles":
      return authCall(session, { kind: call.kind });
    case "getUser":
    case "removeUser":
    case "getRole":
    case "removeRole":
      return authCall(session, { kind: call.kind, name: call.name });
    case "putUser":
    case "putRole":
      return authCall(session, call);
  }
}

async function members(
  session: Session,
): Promise<{ readonly json: { readonly members: readonly MemberJson[] }; readonly clusterId: string }> {
  const json = await session.post("/v3/cluster/member/list", {}, readOnly);
  return { json: { members: objectsOf(json, "members").map(memberOf) }, clusterId: headerOf(json).clusterId };
}

function memberOf(json: Json): MemberJson {
  return {
    id: hex(int64(json, "ID")),
    name: textOf(json, "name"),
    peerURLs: textsOf(json, "peerURLs"),
    clientURLs: textsOf(json, "clientURLs"),
  };
}

/** The leader's id; undefined while there is none. */
async function leaderId(session: Session): Promise<string | undefined> {
  const status = await session.post("/v3/maintenance/status", {}, readOnly);
  const id = int64(status, "leader");
  return id === "0" ? undefined : hex(id);
}

async function leader(session: Session): Promise<Administered> {
  const [{ json, clusterId }, id] = await Promise.all([members(session), leaderId(session)]);
  const found = json.members.find((member) => member.id === id);
  return found === undefined
    ? { status: 503, json: { message: "During election" }, clusterId }
    : { status: 200, json: found, clusterId };
}

async function changeMembers(
  session: Session,
  call: AddMemberCall | UpdateMemberCall | { readonly kind: "removeMember"; readonly name: string },
): Promise<Administered> {
  const id = call.kind === "addMember" ? "" : decimal(call.name);
  const unknown = { status: 404, json: { message: `No such member: ${call.kind === "addMember" ? "" : call.name}` } };
  if (id === undefined) return unknown;
  try {
    switch (call.kind) {
      case "addMember": {
        const json = await session.post("/v3/cluster/member/add", { peerURLs: call.peerURLs }, {});
        return { status: 201, json: memberOf(objectOf(json, "member")), clusterId: headerOf(json).clusterId };
      }
      case "updateMember":
        await session.post("/v3/cluster/member/update", { ID: id, peerURLs: call.peerURLs }, {});
        return { status: 204 };
      case "removeMember":
        await session.post("/v3/cluster/member/remove", { ID: id }, {});
        return { status: 204 };
    }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (error.code === grpcCode.notFound) return unknown;
    if (error.code === grpcCode.failedPrecondition)
      return { status: 409, json: { message: `membership: ${error.message}` } };
    // etcd's check of reconfigurations: the change would endanger the cluster now
    if (error.code === grpcCode.unavailable) return { status: 500, json: { message: error.message } };
    throw error;
  }
}

/** Which member answers, and whether it leads: as much as v3 knows of it. */
async function selfStats(session: Session): Promise<Administered> {
  const [status, { json }] = await Promise.all([
    session.post("/v3/maintenance/status", {}, readOnly),
    members(session),
  ]);
  const id = hex(int64(objectOf(status, "header"), "member_id"));
  const leads = hex(int64(status, "leader"));
  const name = json.members.find((member) => member.id === id)?.name ?? "";
  return {
    status: 200,
    json: { name, id, state: leads === id ? "StateLeader" : "StateFollower", leaderInfo: { leader: leads } },
  };
}

async function leaderStats(session: Session): Promise<Administered> {
  const status = await session.post("/v3/maintenance/status", {}, readOnly);
  const id = hex(int64(objectOf(status, "header"), "member_id"));
  if (hex(int64(status, "leader")) !== id) return { status: 403, json: { message: "not current leader" } };
  return { status: 200, json: { leader: id, followers: {} } };
}
