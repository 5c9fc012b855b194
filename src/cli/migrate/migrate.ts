import type { Client, ClientOptions } from "../../core/index.js";
import type { Command, Context } from "../command.js";
import { endpointsIn, userOf } from "../common.js";
import { BadUsage } from "../io.js";
import { lockState } from "./lock.js";
import { Migration, type Clients } from "./migration.js";
import { migrateHelp, migrateOptions, migrateTable, type MigrateOptions } from "./options.js";
import { failWhenStopped } from "./stopped-member.js";

/** How long requests are sent again while no endpoint answers, in ms. */
const retryForMs = 30_000;
/** The largest response of v3, in bytes: a page that is larger is asked for in parts. */
const maxPageBytes = 32 * 1024 * 1024;
/** The largest response of v2, in bytes: a directory comes as a whole. */
const maxDirectoryBytes = 512 * 1024 * 1024;

/** `etcd2 migrate` */
export const migrate: Command = {
  summary: "copy the v2 data to v3, while programs go on writing",
  usage: "--to URL,... [--from URL,...] [--check|--follow|--verify|--purge] [--dry-run]",
  options: migrateTable,
  help: migrateHelp,
  examples: [
    "etcd2 migrate --from http://10.0.0.1:2379 --to http://10.0.0.1:2379 --check",
    "etcd2 migrate --from http://10.0.0.1:2379 --to http://10.0.0.1:2379 --follow --verify",
    "etcd2 --json migrate --from http://10.0.0.1:2379 --to http://10.0.1.1:2379 --prefix /app --namespace /old",
    "etcd2 migrate --from http://10.0.0.1:2379 --to http://10.0.0.1:2379 --purge",
  ],
  args: { min: 0, max: 0 },
  run: async (context) => {
    const options = migrateOptions(context.values, context.io);
    const clients = await connectBoth(context, options);
    const unlock = lockFor(options);
    try {
      return await new Migration(context, options, clients, unlock !== undefined).run();
    } finally {
      unlock?.();
    }
  },
};

async function connectBoth({ io, connect }: Context, options: MigrateOptions): Promise<Clients> {
  const { from, to, fromUser, toUser } = options;
  const open = (client: Partial<ClientOptions>): Promise<Client> =>
    connect({ isPlain: true, anonymous: true, client: { retryForMs, ...client } });
  const source = from === undefined ? {} : { endpoints: endpointsIn(from) };
  const target = await open({ endpoints: endpointsIn(to), maxBodyBytes: maxPageBytes, protocol: failWhenStopped });
  // checked before anybody types a password
  await open(source);
  const user = await userOf("from-user", fromUser, ["ETCD_FROM_PASSWORD", "ETCD_PASSWORD"], io);
  const credentials = await userOf("to-user", toUser, ["ETCD_TO_PASSWORD", "ETCD_PASSWORD"], io);
  return { from: await open({ ...source, ...user, maxBodyBytes: maxDirectoryBytes }), to: target, credentials };
}

/** A run that only reads needs no lock: both stores can be compared while another process still follows. */
function lockFor({ task, dryRun, stateFile }: MigrateOptions): (() => void) | undefined {
  if (dryRun || task === "check") return undefined;
  try {
    return lockState(stateFile);
  } catch (error) {
    if (error instanceof BadUsage && task === "verify") return undefined;
    throw error;
  }
}
