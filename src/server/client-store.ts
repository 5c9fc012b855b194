import type { AdminCall, KeysCall, WatchCall } from "../core/call.js";
import type { Administered, CallContext, Done, KeysStore, KeysWatch, Place, Refused } from "../core/keys-store.js";
import type { KeysAction } from "../core/types.js";
import * as auth from "../core/wire/auth.js";
import * as keys from "../core/wire/keys.js";
import * as members from "../core/wire/members.js";
import { indexOf } from "../core/wire/head.js";
import { versionSpec } from "../core/wire/version.js";
import type { RawResponse, RequestSpec, ResponseHead, Sender } from "../http/exchange.js";
import { ResponseError, type EtcdErrorCode } from "../util/errors.js";
import { deferred, noop } from "../util/deferred.js";
import { isObject } from "../util/is-object.js";
import { abortable, linkSignal } from "../util/signals.js";
import { requireSender } from "../util/validate.js";

/**
 * A store that sends every call through a client. With a client that has `v3Protocol()`, it is v2 on v3. The credentials of
 * each caller are passed on, so the client should have none of its own. Closing the store does not close the client.
 *
 * @throws {UsageError} if it is not a client
 */
export function clientStore(client: Sender): KeysStore {
  requireSender("client", client);
  return {
    execute: async (call, context) => {
      const spec = withCredentials(specOf(wellFormed(call)), context);
      return decode(await client.send(spec, context.signal), spec);
    },
    watch: (call, context) => openWatch(client, call, context),
    administer: async (call, context) => {
      const spec = withCredentials(adminSpecOf(call), context);
      return administered(await client.send(spec, context.signal));
    },
  };
}

const prefix = "/v2/keys";

/** Bytes that are not UTF-8 were read as lone surrogates, which cannot be sent. They become U+FFFD, as in etcd's responses. */
function wellFormed(call: KeysCall): KeysCall {
  const key = call.key.toWellFormed();
  return "value" in call ? { ...call, key, value: call.value.toWellFormed() } : { ...call, key };
}

function specOf(call: KeysCall): RequestSpec {
  const at = { prefix, key: call.key };
  switch (call.kind) {
    case "get":
      return keys.getSpec(at, call);
    case "createInOrder":
      return keys.createInOrderSpec(at, call.value, call);
    case "delete":
      return keys.deleteSpec(at, call);
    case "compareAndDelete":
      return { ...keys.deleteSpec(at, comparison(call)), call };
    case "create":
      return keys.setSpec(at, call.value, { ...call, prevExist: false });
    case "set":
      return keys.setSpec(at, call.value, call);
    case "update":
      return keys.setSpec(at, call.value, { ...call, prevExist: true });
    case "compareAndSwap": {
      const { prevIndex: _exact, ...fields } = call;
      return { ...keys.setSpec(at, call.value, { ...fields, ...comparison(call) }), call };
    }
  }
}

/** For the HTTP form, whose index is a number. The call keeps the exact one. */
function comparison({
  prevValue,
  prevIndex,
}: {
  readonly prevValue?: string | undefined;
  readonly prevIndex?: string | undefined;
}): {
  readonly prevValue?: string | undefined;
  readonly prevIndex?: number | undefined;
} {
  return { prevValue, prevIndex: prevIndex === undefined ? undefined : Number(prevIndex) };
}

function adminSpecOf(call: AdminCall): RequestSpec {
  switch (call.kind) {
    case "listMembers":
      return members.listMembersSpec;
    case "leader":
      return members.leaderSpec;
    case "addMember":
      return { ...members.addMemberSpec(""), body: JSON.stringify({ peerURLs: call.peerURLs }), call };
    case "updateMember":
      return members.updateMemberSpec(call.name, call.peerURLs);
    case "removeMember":
      return members.removeMemberSpec(call.name);
    case "version":
      return versionSpec;
    case "health":
      return { method: "GET", path: "/health", call };
    case "selfStats":
      return { method: "GET", path: "/v2/stats/self", call };
    case "leaderStats":
      return { method: "GET", path: "/v2/stats/leader", call };
    case "storeStats":
      return { method: "GET", path: "/v2/stats/store", call };
    case "authStatus":
      return auth.statusSpec;
    case "authEnable":
      return auth.enableSpec;
    case "authDisable":
      return auth.disableSpec;
    case "listUsers":
      return auth.listUsersSpec;
    case "listRoles":
      return auth.listRolesSpec;
    case "getUser":
      return auth.getUserSpec(call.name);
    case "removeUser":
      return auth.removeUserSpec(call.name);
    case "getRole":
      return auth.getRoleSpec(call.name);
    case "removeRole":
      return auth.removeRoleSpec(call.name);
    case "putUser": {
      const { kind: _kind, name, ...fields } = call;
      const body = JSON.stringify({ user: name, ...fields });
      const maskedBody = JSON.stringify({ user: name, ...fields, ...(fields.password && { password: "***" }) });
      return { ...auth.putUserSpec(name, {}), body, maskedBody, call };
    }
    case "putRole": {
      const { kind: _kind, name, ...fields } = call;
      return { ...auth.putRoleSpec(name), body: JSON.stringify({ role: name, ...fields }), call };
    }
  }
}

function withCredentials(spec: RequestSpec, { credentials }: CallContext): RequestSpec {
  if (credentials === undefined) return spec;
  const basic = Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64");
  return { ...spec, headers: { ...spec.headers, authorization: `Basic ${basic}` } };
}

/** Opens a watch. Each call of `next` is one long poll, from where the last one ended. */
async function openWatch(client: Sender, call: WatchCall, context: CallContext): Promise<KeysWatch | Refused> {
  const closed = new AbortController();
  const poll = (waitIndex: string, onHeaders: RequestSpec["onHeaders"]): Promise<RawResponse> => {
    const at = { prefix, key: call.key };
    const spec = { ...keys.watchSpec(at, call.recursive, Number(waitIndex), onHeaders), onHeaders, shared: false };
    const exact = { ...spec, call: { ...call, waitIndex } };
    const link = linkSignal(closed.signal, ...signalsOf(context));
    return client.send(withCredentials(exact, context), link.signal).finally(link.unlink);
  };
  const begun = deferred<ResponseHead>();
  let pending: Promise<RawResponse> | undefined = poll(call.waitIndex, begun.resolve);
  const head = await Promise.race([begun.promise, pending]);
  if (head.status >= 400) {
    const refusal = decode(await pending, keys.watchSpec({ prefix, key: call.key }, call.recursive, 0, undefined));
    if ("errorCode" in refusal) return refusal;
  }
  let next = call.waitIndex;
  pending.catch(noop);
  return {
    ...placeOf(head),
    next: async (signal) => {
      const polling = (pending ??= poll(next, undefined));
      polling.catch(noop);
      let raw: RawResponse;
      try {
        raw = await abortable(polling, signal);
        pending = undefined;
      } catch (error) {
        // after an aborted wait, the next one finds the same poll
        if (signal?.aborted !== true) pending = undefined;
        throw error;
      }
      if (raw.truncated === true || raw.body === "") return undefined;
      if (raw.status >= 400) {
        const refusal = decode(raw, { method: "GET", path: prefix });
        return "errorCode" in refusal ? refusal : undefined;
      }
      const events = raw.body
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => decode({ ...raw, body: line }, { method: "GET", path: prefix }))
        .filter((event): event is Done => !("errorCode" in event));
      next = String((events[0]?.node?.modifiedIndex ?? 0) + 1);
      return events;
    },
    close: () => {
      closed.abort();
    },
  };
}

function signalsOf({ signal }: CallContext): readonly AbortSignal[] {
  return signal === undefined ? [] : [signal];
}

/** Decodes a response to a keys request. @throws {ResponseError} it is not one of etcd's */
function decode(raw: RawResponse, spec: RequestSpec): Done | Refused {
  const body = jsonOf(raw);
  const place = placeOf(raw);
  if (isObject(body) && typeof body["errorCode"] === "number") {
    const { cause } = body;
    return {
      ...place,
      errorCode: body["errorCode"] as EtcdErrorCode,
      ...(typeof cause === "string" && cause !== "" && { cause }),
    };
  }
  if (!isObject(body) || typeof body["action"] !== "string" || raw.status >= 400) {
    const message = `${spec.method} ${raw.endpoint ?? ""}${spec.path} was answered ${String(raw.status)}: this is not an etcd v2 response`;
    throw new ResponseError("ERR_STATUS", message, { status: raw.status, outcome: "unknown" });
  }
  const { action, node, prevNode } = body;
  return {
    ...place,
    action: action as KeysAction,
    ...(isObject(node) && { node: node }),
    ...(isObject(prevNode) && { prevNode: prevNode }),
  };
}

function administered(raw: RawResponse): Administered {
  const clusterId = raw.headers["x-etcd-cluster-id"];
  const json = jsonOf(raw);
  return { status: raw.status, ...(json !== undefined && { json }), ...(clusterId !== undefined && { clusterId }) };
}

function placeOf(head: ResponseHead): Place {
  const [index, term] = [Number(head.headers["x-raft-index"]), Number(head.headers["x-raft-term"])];
  return {
    index: indexOf(head) ?? 0,
    clusterId: head.headers["x-etcd-cluster-id"] ?? "",
    ...(Number.isSafeInteger(index) && Number.isSafeInteger(term) && { raft: { index, term } }),
  };
}

/** Undefined if the body is empty or is not JSON. */
function jsonOf({ body }: RawResponse): unknown {
  try {
    return body === "" ? undefined : JSON.parse(body);
  } catch {
    return undefined;
  }
}
