import { AuthUserAPI } from "../core/auth.js";
import type { ClientOptions } from "../core/client-options.js";
import { Client } from "../core/client.js";
import { KeysAPI } from "../core/keys.js";
import {
  clientOf,
  closeUnanswered,
  halfBody,
  headersOnly,
  ok,
  refusedUrl,
  reply,
  resetUnanswered,
  ScriptedServer,
  silence,
  type Answer,
} from "./scripted-server.js";

/** Secrets that no error and no log may contain. */
export const planted = {
  username: "plantedUsername",
  password: "plantedPassword",
  value: "plantedValue",
  prevValue: "plantedPrevValue",
  stored: "plantedStored",
  token: "plantedToken",
} as const;

const { username, password, value, prevValue, stored, token } = planted;

/** The secrets in every form in which they may appear. */
export const passwordForms: readonly string[] = [
  password,
  Buffer.from(`${username}:${password}`).toString("base64"),
  Buffer.from(password).toString("base64"),
];
export const secretForms: readonly string[] = [...Object.values(planted), ...passwordForms];

/** A call that fails with an error of the given class and code, with secrets in its arguments and in the response. */
export interface Failure {
  readonly name: string;
  /** Class and code; for a ClusterError also those of its first attempt. */
  readonly error: string;
  readonly run: () => Promise<unknown>;
}

const options: Partial<ClientOptions> = { username, password };
const quoting = `[${prevValue} != ${stored}] ${value} ${password}`;
const userinfo = `${username}:${password}@`;
const swap = (keys: KeysAPI): Promise<unknown> => keys.set("/k", value, { prevValue });

function against(
  name: string,
  error: string,
  answers: readonly Answer[],
  more: Partial<ClientOptions> = {},
  call: (keys: KeysAPI, client: Client) => Promise<unknown> = swap,
): Failure {
  const run = async (): Promise<unknown> => {
    await using server = await ScriptedServer.start(...answers);
    await using client = clientOf([`${server.url}?token=${token}`], { ...options, ...more });
    return await call(new KeysAPI(client), client);
  };
  return { name, error, run };
}

function addUser(_keys: KeysAPI, client: Client): Promise<unknown> {
  return new AuthUserAPI(client).add("bob", password);
}

function usage(name: string, call: (keys: KeysAPI, client: Client) => unknown): Failure {
  return against(name, "UsageError ERR_ARGUMENT", [ok()], {}, async (keys, client) => await call(keys, client));
}

const attempt = (code: string): string => `ClusterError ERR_CLUSTER_UNAVAILABLE: EndpointError ${code}`;
const refusal = (status: number, errorCode: number, cause: string): Answer =>
  reply(status, { errorCode, message: "m", cause, index: 5 });
const members = (clientURLs: readonly string[]): Answer =>
  reply(200, { members: [{ id: "ab", name: "s", peerURLs: [], clientURLs }] });

export const failures: readonly Failure[] = [
  against("CAS compares values that the server quotes", "EtcdError ERR_ETCD", [refusal(412, 101, quoting)]),
  against("CAS without a value on success", "EtcdError ERR_ETCD", [refusal(412, 101, quoting)], {}, (keys) =>
    keys.set("/k", value, { prevValue, noValueOnSuccess: true }),
  ),
  against("update", "EtcdError ERR_ETCD", [refusal(412, 101, quoting)], {}, (keys) =>
    keys.update("/k", value, { prevValue }),
  ),
  against("refresh", "EtcdError ERR_ETCD", [refusal(412, 101, quoting)], {}, (keys) =>
    keys.refresh("/k", 5, { prevValue }),
  ),
  against("CAD", "EtcdError ERR_ETCD", [refusal(412, 101, quoting)], {}, (keys) => keys.delete("/k", { prevValue })),
  against("bad credentials", "EtcdError ERR_ETCD", [refusal(401, 110, "Insufficient credentials")]),

  { name: "refused", error: attempt("ERR_NETWORK"), run: async () => swapWith(await refusedUrl()) },
  against("closed", attempt("ERR_NETWORK"), [closeUnanswered()]),
  against("reset", attempt("ERR_NETWORK"), [resetUnanswered()]),
  against("half a body", attempt("ERR_NETWORK"), [halfBody()]),
  against("no HTTP", attempt("ERR_NETWORK"), [
    (_response, _request, socket) => socket.end(`${value} ${password}\r\n\r\n`),
  ]),
  against("a broken header", attempt("ERR_NETWORK"), [
    (_response, _request, socket) => socket.end(`HTTP/1.1 200 OK\r\n${value}\u0001 ${password}\r\n\r\n`),
  ]),
  against("no headers", attempt("ERR_HEADER_TIMEOUT"), [silence()], { headerTimeoutMs: 100 }),
  against("a stalled body", attempt("ERR_BODY_TIMEOUT"), [headersOnly()], { bodyIdleTimeoutMs: 100 }),
  against("500 with a page", attempt("ERR_SERVER"), [reply(500, `you sent ${quoting}`)]),
  against("500 with an etcd error", attempt("ERR_SERVER"), [refusal(500, 300, "etcdserver: request timed out")]),
  against("500 that compares values", attempt("ERR_SERVER"), [refusal(500, 101, quoting)]),
  against("redirect without a location", attempt("ERR_BAD_REDIRECT"), [reply(307)]),
  against("redirect to no URL", attempt("ERR_BAD_REDIRECT"), [
    reply(307, "", { location: `http://${userinfo}[/?${value}` }),
  ]),
  against("redirect to another scheme", attempt("ERR_BAD_REDIRECT"), [
    reply(307, "", { location: `ftp://${userinfo}127.0.0.1/?${value}#${stored}` }),
  ]),
  against("redirect to another origin", attempt("ERR_BAD_REDIRECT"), [
    reply(307, "", { location: `http://${userinfo}127.0.0.1:1/v2/keys/k?prevValue=${prevValue}#${stored}` }),
  ]),
  against(
    "redirect to nobody",
    attempt("ERR_NETWORK"),
    [reply(307, "", { location: `http://${userinfo}127.0.0.1:1/v2/keys/k?prevValue=${prevValue}#${stored}` })],
    { checkRedirect: () => undefined },
  ),
  against("a compressed body", "ResponseError ERR_CONTENT_ENCODING", [
    reply(200, `${value} ${password}`, { "content-encoding": "gzip" }),
  ]),
  against("a body above the limit", "ResponseError ERR_BODY_TOO_LARGE", [reply(200, `${value} ${password}`)], {
    maxBodyBytes: 1,
  }),
  against(
    "redirect refused by the user",
    attempt("ERR_BAD_REDIRECT"),
    [reply(307, "", { location: `http://${userinfo}127.0.0.1:1/?v=${value}` })],
    {
      checkRedirect: (_via, location) => {
        throw new Error(`not to ${location.origin} ${location.username}`);
      },
    },
  ),
  against("endless redirects", attempt("ERR_TOO_MANY_REDIRECTS"), [
    reply(307, "", { location: `/v2/keys/k?prevValue=${prevValue}` }),
  ]),
  against("a transport that throws its options", attempt("ERR_NETWORK"), [], {
    transport: (url, spec) => Promise.reject(Object.assign(new Error("no"), { url, spec, options: { ...options } })),
  }),
  against("a transport that throws text", attempt("ERR_NETWORK"), [], { transport: () => Promise.reject(quoting) }),

  against("200 with a page", "ResponseError ERR_INVALID_JSON", [reply(200, `<html>${quoting}`)]),
  against("200 with broken JSON", "ResponseError ERR_INVALID_JSON", [
    reply(200, `{"action":"set","node":{"value":"${value}"`),
  ]),
  against("200 with the wrong types", "ResponseError ERR_INVALID_JSON", [
    reply(200, { action: "set", node: { key: "/k", value: [value], expiration: stored } }),
  ]),
  against("200 with a bad expiration", "ResponseError ERR_INVALID_JSON", [
    reply(200, { action: "set", node: { key: "/k", value, expiration: stored } }),
  ]),
  against("200 with nothing", "ResponseError ERR_EMPTY_BODY", [reply(200)]),
  against("404 with a page", "ResponseError ERR_STATUS", [reply(404, `no ${quoting}`)]),
  against("404 without the v2 API", "ResponseError ERR_STATUS", [reply(404, "404 page not found\n")]),
  against("418", "ResponseError ERR_STATUS", [reply(418, quoting)]),

  against(
    "members that advertise credentials",
    "ClusterError ERR_NO_ENDPOINTS",
    [members([`http://${userinfo}h:1`, `${userinfo}h:1`])],
    {},
    (_keys, client) => client.sync(),
  ),
  against(
    "no leader",
    "ClusterError ERR_NO_LEADER_ENDPOINT: EndpointError ERR_SERVER",
    [
      (response, request, socket) =>
        (request.path.endsWith("leader") ? reply(503, quoting) : members([`http://${request.headers.host ?? ""}`]))(
          response,
          request,
          socket,
        ),
    ],
    { selectionMode: "prioritizeLeader" },
    (_keys, client) => client.sync(),
  ),

  usage("a value with a lone surrogate", (keys) => keys.set("/k", `${value}\ud800`)),
  usage("a prevValue with a lone surrogate", (keys) => keys.set("/k", value, { prevValue: `${prevValue}\ud800` })),
  usage("a value that is not text", (keys) => keys.set("/k", [value] as unknown as string)),
  usage("a refresh with a value", (keys) => keys.set("/k", value, { refresh: true, ttl: 5 })),
  usage("an empty prevValue", (keys) => keys.set("/k", value, { prevValue: "" })),
  usage("a bad ttl", (keys) => keys.set("/k", value, { prevValue, ttl: value as unknown as number })),
  usage("an unknown option", (keys) => keys.set("/k", value, { prevvalue: prevValue } as object)),
  usage("options that are none", (keys) => keys.set("/k", value, prevValue as unknown as object)),
  usage("a signal that is none", (keys) => keys.set("/k", value, { signal: value as unknown as AbortSignal })),
  usage("a request line that is too long", (keys) => keys.delete("/k", { prevValue: prevValue.repeat(500) })),
  against("a new user, closed", attempt("ERR_NETWORK"), [closeUnanswered()], {}, addUser),
  against("a new user, 500", attempt("ERR_SERVER"), [reply(500, quoting)], {}, addUser),
  against(
    "a new user, redirected to a stranger",
    attempt("ERR_BAD_REDIRECT"),
    [reply(307, "", { location: `http://${userinfo}127.0.0.1:1/${value}?${password}` })],
    {},
    addUser,
  ),
  against("a new user, refused", "EtcdError ERR_ETCD", [reply(409, { message: "auth: no" })], {}, addUser),
  against("a new user, a page", "ResponseError ERR_STATUS", [reply(405, quoting)], {}, addUser),
  usage("a new user with a bad password", (_keys, client) => new AuthUserAPI(client).add("bob", `${password}\ud800`)),
  usage("a new user with a password that is not text", (_keys, client) =>
    new AuthUserAPI(client).changePassword("bob", [password] as unknown as string),
  ),
  usage("endpoints with userinfo", (_keys, client) => {
    client.setEndpoints([`http://${userinfo}h:1`]);
  }),
  usage("a URL with userinfo", (_keys, client) => {
    client.setEndpoints([new URL(`http://${userinfo}h:1`)]);
  }),
  ...[
    `${userinfo}h:1`,
    `http://${userinfo}h:port`,
    `//${userinfo}h`,
    `http://${encodeURIComponent(userinfo)}h:1`,
    `ftp://${userinfo}h`,
    `h:1?token=${token}`,
  ].map((endpoint, i) =>
    usage(`endpoint with a secret that is not an endpoint, ${String(i)}`, (_keys, client) => {
      client.setEndpoints([endpoint]);
    }),
  ),
  ...(
    [
      ["a colon in the username", { username: `${username}:x`, password }],
      ["a password that is not text", { username, password: [password] as unknown as string }],
      ["a password with a lone surrogate", { username, password: `${password}\ud800` }],
      ["a passphrase that is not text", { tls: { passphrase: [password] as unknown as string } }],
      ["a key without its certificate", { tls: { key: password } }],
      ["an unknown option", { username, password, user: username } as object],
    ] as const
  ).map(([name, bad]) => usage(name, () => new Client({ endpoints: ["http://h:1"], ...bad }))),
  against("a closed client", "UsageError ERR_CLOSED", [ok()], {}, async (keys, client) => {
    await client.close();
    return swap(keys);
  }),
  against("closed in flight", "UsageError ERR_CLOSED", [silence()], {}, async (keys, client) => {
    const call = swap(keys);
    setImmediate(() => void client.close());
    return call;
  }),
];

async function swapWith(endpoint: string): Promise<unknown> {
  await using client = clientOf([endpoint], options);
  return await swap(new KeysAPI(client));
}

/** Does everything that a client logs: failures, good calls, a watch, a sync that changes the list, an aborted call. */
export async function exercise(): Promise<void> {
  for (const { run } of failures) await run().catch(() => undefined);
  const advertised = [`http://${userinfo}h:1`, "nowhere"];
  const answer: Answer = (response, request, socket) => answerFor(request.path, advertised)(response, request, socket);
  await using server = await ScriptedServer.start(answer);
  await using other = await ScriptedServer.start(answer);
  advertised.push(other.url);
  await using client = clientOf([server], options);
  const keys = new KeysAPI(client);
  await keys.get("/k", { quorum: true });
  await keys.set("/k", value, { prevValue });
  await keys.createInOrder("/k", value);
  await keys.delete("/k", { prevValue });
  await keys.watcher("/k").next();
  const users = new AuthUserAPI(client);
  await users.add("bob", password);
  await users.changePassword("bob", password);
  await client.sync();
  const abort = new AbortController();
  const aborted = keys.get("/silent", { signal: abort.signal }).catch(() => undefined);
  // the first warning was the sync's
  await other.received(2);
  abort.abort(new Error("over"));
  await aborted;
}

function answerFor(path: string, advertised: readonly string[]): Answer {
  if (path === "/v2/keys/silent") return silence();
  if (path.startsWith("/v2/auth")) return reply(200, { user: "bob", roles: null });
  return path === "/v2/members" ? members(advertised) : ok();
}
