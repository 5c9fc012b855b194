import type { RawResponse, RequestSpec } from "../../http/exchange.js";
import type { Member } from "../types.js";
import { isObject, malformed, requireObject, requireStatus, textField, type JsonObject } from "./response.js";

const path = "/v2/members";

export const listMembersSpec: RequestSpec = { method: "GET", path, call: { kind: "listMembers" } };
export const leaderSpec: RequestSpec = { method: "GET", path: `${path}/leader`, call: { kind: "leader" } };

export function addMemberSpec(peerURL: string): RequestSpec {
  const peerURLs = [peerURL];
  const call = { kind: "addMember", peerURLs } as const;
  return { method: "POST", path, headers: jsonHeaders, body: JSON.stringify({ peerURLs }), oneShot: true, call };
}

/** The list is sent sorted, as Go does. */
export function updateMemberSpec(id: string, urls: readonly string[]): RequestSpec {
  const peerURLs = urls.toSorted();
  return {
    method: "PUT",
    path: memberPath(id),
    headers: jsonHeaders,
    body: JSON.stringify({ peerURLs }),
    oneShot: true,
    call: { kind: "updateMember", name: id, peerURLs },
  };
}

export function removeMemberSpec(id: string): RequestSpec {
  return { method: "DELETE", path: memberPath(id), oneShot: true, call: { kind: "removeMember", name: id } };
}

export function decodeAdded(raw: RawResponse, spec: RequestSpec): Member {
  requireStatus(raw, spec, [201]);
  return memberOf(raw, spec, requireObject(raw, spec));
}

export function decodeUpdated(raw: RawResponse, spec: RequestSpec): void {
  requireStatus(raw, spec, [204]);
}

/** 410 means that the member is already removed, as requested. */
export function decodeRemoved(raw: RawResponse, spec: RequestSpec): void {
  requireStatus(raw, spec, [204, 410]);
}

export function decodeMembers(raw: RawResponse): readonly Member[] {
  requireStatus(raw, listMembersSpec, [200]);
  const members = requireObject(raw, listMembersSpec)["members"] ?? [];
  if (!Array.isArray(members)) throw malformed(raw, listMembersSpec, '"members" is not an array');
  return members.map((member: unknown) => memberOf(raw, listMembersSpec, member));
}

export function decodeLeader(raw: RawResponse): Member {
  requireStatus(raw, leaderSpec, [200]);
  return memberOf(raw, leaderSpec, requireObject(raw, leaderSpec));
}

/** etcd takes no other type, and says so with 415. */
const jsonHeaders = { "content-type": "application/json" } as const;

function memberPath(id: string): string {
  return `${path}/${encodeURIComponent(id)}`;
}

function memberOf(raw: RawResponse, spec: RequestSpec, member: unknown): Member {
  if (!isObject(member)) throw malformed(raw, spec, "a member is not an object");
  return {
    id: textField(raw, spec, member, "id"),
    name: textField(raw, spec, member, "name"),
    peerURLs: texts(raw, spec, member, "peerURLs"),
    clientURLs: texts(raw, spec, member, "clientURLs"),
  };
}

function texts(raw: RawResponse, spec: RequestSpec, body: JsonObject, name: string): readonly string[] {
  const list = body[name] ?? [];
  if (!Array.isArray(list) || !list.every((text) => typeof text === "string"))
    throw malformed(raw, spec, `"${name}" is not an array of strings`);
  return list;
}
