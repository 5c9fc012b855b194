import { isHiddenBelow } from "../../v3/layout.js";
import type { OptionTable, Values } from "../command.js";
import { BadUsage, type Io } from "../io.js";
import { flagOf, textOf } from "../values.js";

/** The options of `etcd2 migrate`, as `parseArgs` takes them. */
export const migrateTable = {
  from: { type: "string" },
  to: { type: "string" },
  prefix: { type: "string" },
  also: { type: "string" },
  check: { type: "boolean" },
  "dry-run": { type: "boolean" },
  follow: { type: "boolean" },
  verify: { type: "boolean" },
  purge: { type: "boolean" },
  overwrite: { type: "boolean" },
  "drop-directory-ttls": { type: "boolean" },
  state: { type: "string" },
  "from-user": { type: "string" },
  "to-user": { type: "string" },
  yes: { type: "boolean" },
} as const satisfies OptionTable;

/** A line of help for each of them. */
export const migrateHelp: Readonly<Record<keyof typeof migrateTable, string>> = {
  from: "URL,... of the servers with the v2 data (those of --endpoints)",
  to: "URL,... of the servers whose v3 store gets it; they may be the same",
  prefix: "KEY: only this key and what is below it (/)",
  also: "KEY,...: hidden keys, such as /app/_locks; v2 lists no name that begins with _",
  check: "only look for what is in the way",
  "dry-run": "change nothing, and print what would be done",
  follow: "after copying, go on with every change until Ctrl-C",
  verify: "only compare both stores; with --follow, when that has been ended",
  purge: "compare both stores, and delete the v2 data if they do not differ",
  overwrite: "replace v3 keys that had other values before the migration began",
  "drop-directory-ttls": "directories with a TTL become permanent: v3 has no TTLs for them",
  state: "FILE that remembers what was done (./etcd2-migrate.json)",
  "from-user": "NAME for --from; its password comes from ETCD_FROM_PASSWORD, or is asked for",
  "to-user": "NAME for --to; its password comes from ETCD_TO_PASSWORD, or is asked for",
  yes: "do not ask before --purge deletes",
};

/** What to migrate, and how. */
export interface MigrateOptions {
  /** Absent: as the common options say. */
  readonly from: string | undefined;
  /** URLs with commas between them. */
  readonly to: string;
  /** A v2 key, "/" for the whole tree. */
  readonly prefix: string;
  /** Goes before every key in v3; "" for none. */
  readonly namespace: string;
  /** "implied": a directory is there as long as a key below it is, so that only empty ones get a marker. */
  readonly directories: "kept" | "implied";
  /** Hidden keys below the prefix. */
  readonly also: readonly string[];
  /** What is to be done. "copy" is done with `follow` or without. */
  readonly task: "check" | "copy" | "verify" | "purge";
  /** Go on with every change after copying. */
  readonly follow: boolean;
  /** Compare when following has been ended. */
  readonly verify: boolean;
  /** Write nothing, and print what would be done. */
  readonly dryRun: boolean;
  /** Replace what v3 had with other values before the migration began. */
  readonly overwrite: boolean;
  /** Make directories with a TTL permanent, in place of refusing them. */
  readonly dropDirectoryTtls: boolean;
  /** Its path. */
  readonly stateFile: string;
  /** Absent: none. */
  readonly fromUser: string | undefined;
  /** Absent: none. */
  readonly toUser: string | undefined;
}

/** Checks the command line. @throws {BadUsage} */
export function migrateOptions(values: Values, io: Io): MigrateOptions {
  const to = textOf(values, "to");
  if (to === undefined) throw new BadUsage("migrate needs --to: the servers whose v3 store gets the data");
  for (const name of ["protocol", "user"])
    if (values[name] !== undefined)
      throw new BadUsage(
        name === "user"
          ? "migrate needs --from-user and --to-user in place of --user"
          : "migrate reads v2 and writes v3",
      );
  const prefix = keyOption("prefix", textOf(values, "prefix") ?? "/");
  const also = listOf(textOf(values, "also")).map((key) => keyOption("also", key));
  for (const key of also)
    if (!isBelow(prefix, key) || !isHiddenBelow(prefix, key))
      throw new BadUsage(`--also: ${JSON.stringify(key)} is not a hidden key below ${prefix}`);
  const options: MigrateOptions = {
    from: textOf(values, "from"),
    to,
    prefix,
    namespace: namespaceOf(values),
    directories: directoriesOf(values),
    also,
    ...tasksOf(values),
    dryRun: flagOf(values, "dry-run"),
    overwrite: flagOf(values, "overwrite"),
    dropDirectoryTtls: flagOf(values, "drop-directory-ttls"),
    stateFile: textOf(values, "state") ?? "./etcd2-migrate.json",
    fromUser: textOf(values, "from-user"),
    toUser: textOf(values, "to-user"),
  };
  const asks = options.task === "purge" && !options.dryRun && !flagOf(values, "yes");
  if (asks && io.stdin.isTTY !== true) throw new BadUsage("there is no terminal to ask before --purge: give --yes");
  return options;
}

function tasksOf(values: Values): Pick<MigrateOptions, "task" | "follow" | "verify"> {
  const given = (["check", "follow", "verify", "purge"] as const).filter((name) => flagOf(values, name));
  switch (given.join()) {
    case "":
      return { task: "copy", follow: false, verify: false };
    case "check":
    case "verify":
    case "purge":
      return { task: given[0] as "check" | "verify" | "purge", follow: false, verify: false };
    // to compare is what it begins with
    case "verify,purge":
      return { task: "purge", follow: false, verify: false };
    case "follow":
      return { task: "copy", follow: true, verify: false };
    case "follow,verify":
      return { task: "copy", follow: true, verify: true };
    default:
      throw new BadUsage(`--${given.join(" and --")} do not go together`);
  }
}

/** A key without a slash at the end. */
function keyOption(name: string, text: string): string {
  const key = text === "/" ? text : text.replace(/\/$/, "");
  const segments = key.split("/").slice(1);
  const isKey = key === "/" || (key.startsWith("/") && segments.every((each) => !["", ".", ".."].includes(each)));
  if (!isKey) throw new BadUsage(`--${name} must be a key such as /app, got ${JSON.stringify(text)}`);
  return key;
}

function namespaceOf(values: Values): string {
  const text = textOf(values, "namespace") ?? "";
  return text === "" || text === "/" ? "" : keyOption("namespace", text);
}

function directoriesOf(values: Values): "kept" | "implied" {
  const directories = textOf(values, "directories") ?? "kept";
  if (directories === "kept" || directories === "implied") return directories;
  throw new BadUsage(`--directories must be kept or implied, got ${directories}`);
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? "").split(",").filter((each) => each !== "");
}

function isBelow(prefix: string, key: string): boolean {
  return key !== prefix && (prefix === "/" || key.startsWith(`${prefix}/`));
}
