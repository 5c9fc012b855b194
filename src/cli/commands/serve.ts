import { ClusterError, isUnauthorized, MembersAPI, UsageError, type Client } from "../../core/index.js";
import { createV2Server, type ListenOptions, type ListenTls } from "../../server/index.js";
import type { Command, Context, Values } from "../command.js";
import { BadUsage, CommandFailed, onceAborted } from "../io.js";
import { servedClient } from "../served-client.js";
import { countOf, listOf, readOption, textOf } from "../values.js";

const defaultAddress = "127.0.0.1:4001";

/** `etcd2 serve` */
export const serve: Command = {
  summary: "speak v2's HTTP API to old programs, in front of an etcd that need not have it",
  usage: "[--listen HOST:PORT] [--advertise URL,...]",
  protocol: "v3",
  options: {
    listen: { type: "string" },
    advertise: { type: "string" },
    "listen-cert": { type: "string" },
    "listen-key": { type: "string" },
    "max-requests": { type: "string" },
  },
  help: {
    listen: `HOST:PORT to listen on, port 0 for any free one (${defaultAddress})`,
    advertise: "URL,... at which clients reach this server, for clients that sync (the URL of --listen)",
    "listen-cert": "FILE with the certificate to serve HTTPS with",
    "listen-key": "FILE with its key",
    "max-requests": "N requests at once, long polls included; further ones get 503 (10000)",
    user: "NAME of the user for keys requests without credentials (ETCD_USER; nobody)",
  },
  examples: [
    "etcd2 serve --endpoints http://10.0.0.1:2379,http://10.0.0.2:2379 --listen 127.0.0.1:4001",
    "etcd2 serve --listen 0.0.0.0:4001 --advertise https://etcd-v2.example:4001 --listen-cert c.pem --listen-key k.pem",
  ],
  args: { min: 0, max: 0 },
  run: async (context) => {
    const { values, io, signal } = context;
    const [at, advertise, maxRequests] = [
      listenOptions(values),
      listOf(values, "advertise"),
      countOf(values, "max-requests"),
    ];
    const client = await context.connect({ anonymous: true });
    const say = (line: string): void => {
      io.stderr.write(`etcd2: ${line}\n`);
    };
    const store = servedClient(client, { guest: await context.credentials(), say });
    const server = createV2Server({ store, advertise, maxRequests });
    try {
      const etcd = await etcdVersion(client, signal, say);
      const url = await listen(() => server.listen(at));
      if (at.tls === undefined && !isLoopback(at.host))
        say(`warning: ${url} is open to the network without TLS: passwords and values can be read on the way`);
      await announce(context, client, { url, advertise: advertise ?? [url], etcd });
      await onceAborted(signal).catch(() => undefined);
      say("stopping: long polls end, other requests may finish; again to stop at once");
    } finally {
      await server.close();
    }
    return 0;
  },
};

interface Announcement {
  readonly url: string;
  readonly advertise: readonly string[];
  /** Undefined while no endpoint answers. */
  readonly etcd: string | undefined;
}

async function announce(
  { out, values, protocol }: Context,
  { endpoints }: Client,
  { url, advertise, etcd }: Announcement,
): Promise<void> {
  const namespace = textOf(values, "namespace") ?? "";
  const below = namespace === "" ? "" : `, below ${namespace}`;
  const from = `from the ${protocol} store of ${endpoints.join(", ")}${below}`;
  const version = etcd === undefined ? "" : ` (etcd ${etcd})`;
  await out.line(`serving v2 at ${out.coloured("green", url)} ${from}${version}`, {
    url,
    advertise,
    protocol,
    endpoints,
    ...(namespace !== "" && { namespace }),
    ...(etcd !== undefined && { etcd }),
  });
}

/**
 * The version of the servers, once it is clear that they can be used. Undefined while no endpoint answers: programs may be
 * started before their etcd.
 *
 * @throws {ResponseError} they cannot be used, for example since the v3 gateway is switched off
 */
async function etcdVersion(
  client: Client,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<string | undefined> {
  try {
    await new MembersAPI(client).list(signal).catch((error: unknown) => {
      if (!isUnauthorized(error)) throw error;
    });
    return (await client.version(signal)).server;
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    say(`warning: ${error.message}: requests get status 500 until an endpoint answers`);
    return undefined;
  }
}

async function listen(start: () => Promise<string>): Promise<string> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof UsageError) throw new BadUsage(`--listen: ${error.message}`);
    throw new CommandFailed(`--listen: ${error instanceof Error ? error.message : "it cannot listen"}`);
  }
}

/** @throws {BadUsage} */
function listenOptions(values: Values): ListenOptions {
  const address = textOf(values, "listen") ?? defaultAddress;
  const { six, name, port } =
    /^(?:\[(?<six>[\da-f:.]+)\]|(?<name>[^:[\]/@]+)):(?<port>\d{1,5})$/i.exec(address)?.groups ?? {};
  const host = six ?? name;
  if (host === undefined || Number(port) > 65_535)
    throw new BadUsage(`--listen must be HOST:PORT, such as ${defaultAddress}, got ${JSON.stringify(address)}`);
  const tls = tlsOf(values);
  if (isEveryAddress(host) && textOf(values, "advertise") === undefined)
    throw new BadUsage(`--listen ${address} needs --advertise URL,...: the URLs at which clients reach this server`);
  return { host, port: Number(port), ...(tls !== undefined && { tls }) };
}

function tlsOf(values: Values): ListenTls | undefined {
  const [cert, key] = [textOf(values, "listen-cert"), textOf(values, "listen-key")];
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) throw new BadUsage("--listen-cert and --listen-key go together");
  return { cert: readOption("listen-cert", cert), key: readOption("listen-key", key) };
}

function isEveryAddress(host: string): boolean {
  return /^[0.:]+$/.test(host);
}

function isLoopback(host = "127.0.0.1"): boolean {
  return host === "localhost" || host === "::1" || /^(?:::ffff:)?127\./i.test(host);
}
