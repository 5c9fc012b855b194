import { AuthAPI, AuthUserAPI, AuthRoleAPI, EtcdError, ResponseError } from "../../core/index.js";
import { GatewayError } from "../../v3/gateway.js";
import { maxSegments, segmentsOf } from "../../v3/layout.js";
import { printable } from "../progress.js";
import { compare, differenceOf, type Pair } from "./compare.js";
import type { Job } from "./job.js";
import { ttlOf } from "./source.js";
import { keyOf } from "./writer.js";

/** etcd's own limit of a v3 request, in bytes. */
const maxRequest = 1.5 * 1024 * 1024;
/** What a transaction has besides the value, and the key, which it names twice. */
const requestOverhead = 512;
/** How many keys of a kind are named. */
const named = 10;

/** What a check found. */
export interface Checked {
  /** How many paths there are in both stores together. */
  readonly paths: number;
  /** How many files v2 has. */
  readonly files: number;
  /** How many directories v2 has. */
  readonly directories: number;
  /** How many of the files have a TTL. */
  readonly mortal: number;
  /** How large all values of v2 are together, as UTF-8. */
  readonly bytes: number;
  /** How many keys v3 lacks, or has with a TTL where v2 has none, or the other way round. */
  readonly toWrite: number;
  /** How many keys are the same in both. */
  readonly equal: number;
  /** How many keys this migration has copied before, and v2 no longer has. */
  readonly toDelete: number;
  /** A line for each thing that is in the way. */
  readonly inTheWay: readonly string[];
  /** A line for each thing to know. */
  readonly notes: readonly string[];
}

/** Keys of one kind: how many, and the first of them. */
class Kind {
  readonly #what: string;
  readonly #first: string[] = [];
  #count = 0;

  /** @param what the line: "directories with a TTL (...)" */
  constructor(what: string) {
    this.#what = what;
  }

  add(path: string): void {
    this.#count++;
    if (this.#first.length < named) this.#first.push(printable(path));
  }

  lines(): readonly string[] {
    if (this.#count === 0) return [];
    const more = this.#count > this.#first.length ? ", ..." : "";
    return [`${String(this.#count)} ${this.#what}: ${this.#first.join(", ")}${more}`];
  }
}

/** Goes through both stores and finds what is in the way. Writes nothing. */
export async function check(job: Job): Promise<Checked> {
  const { options, roots, source, target, state } = job;
  const inTheWay = {
    large: new Kind("values that do not fit into a v3 request of 1.5 MiB"),
    deep: new Kind(`keys of more than ${String(maxSegments)} segments`),
    mortal: new Kind("directories with a TTL, which v3 does not have (--drop-directory-ttls makes them permanent)"),
    other: new Kind("keys that v3 has with other values (--overwrite replaces them)"),
    unreadable: new Kind("directories whose names are not UTF-8, so that v2 cannot be asked for them"),
  };
  const notes = {
    lossy: new Kind("values or names with U+FFFD, which may stand for bytes that are not UTF-8"),
    extra: new Kind("keys that only v3 has; they are kept, and --verify will report them"),
  };
  const counts = { files: 0, directories: 0, mortal: 0, bytes: 0, toWrite: 0, equal: 0, toDelete: 0 };
  const look = (pair: Pair): void => {
    const { path, entry, kv } = pair;
    const difference = differenceOf(pair, { ...options, dropDirectoryTtls: true });
    const isOurs = kv !== undefined && state.isOurs(path, kv.modRevision, kv.value);
    if (entry === undefined) {
      if (isOurs) counts.toDelete++;
      else if (difference === "extra") notes.extra.add(path);
      return;
    }
    const { node } = entry;
    counts[difference === undefined ? "equal" : "toWrite"]++;
    counts[node.dir ? "directories" : "files"]++;
    const length = Buffer.byteLength(node.value);
    counts.bytes += length;
    if (entry.isUnreadable === true) inTheWay.unreadable.add(path);
    else if (`${path}${node.value}`.includes("\ufffd")) notes.lossy.add(path);
    if (segmentsOf(keyOf(path)).length > maxSegments) inTheWay.deep.add(path);
    if (node.dir) {
      if (ttlOf(node) !== undefined && !options.dropDirectoryTtls) inTheWay.mortal.add(path);
      return;
    }
    if (ttlOf(node) !== undefined) counts.mortal++;
    if (length + 2 * Buffer.byteLength(target.keyOf(path)) + requestOverhead > maxRequest) inTheWay.large.add(path);
    const isOld = kv !== undefined && kv.modRevision <= state.firstRevision;
    if (difference === "value" && !isOurs && isOld && !options.overwrite) inTheWay.other.add(path);
  };
  const obstacles: string[] = [];
  const progress = job.begin("check");
  try {
    const { index } = await source.place(options.prefix);
    for (const root of roots) {
      if (!(await target.mayWrite(root)))
        obstacles.push(`the user of --to may not write all keys below ${target.keyOf(root)}`);
      for await (const pair of compare(source, target, root, index)) {
        look(pair);
        progress.step(pair.path);
      }
    }
  } catch (error) {
    progress.clear();
    const obstacle = obstacleIn(error);
    if (obstacle === undefined) throw error;
    obstacles.push(obstacle);
  }
  progress.end();
  return {
    ...counts,
    paths: progress.done,
    inTheWay: [...obstacles, ...Object.values(inTheWay).flatMap((kind) => kind.lines())],
    notes: [...Object.values(notes).flatMap((kind) => kind.lines()), ...(await usersOf(job)), hiddenNote(job)],
  };
}

/** What a server's refusal means; undefined for what is not one. */
export function obstacleIn(error: unknown): string | undefined {
  if (error instanceof GatewayError) return `--to: v3 refused: ${error.message}`;
  if (error instanceof EtcdError) return `--from: v2 refused: ${error.message}`;
  return error instanceof ResponseError ? error.message : undefined;
}

function hiddenNote({ options: { also } }: Job): string {
  const others = also.length === 0 ? "" : ` other than ${also.join(", ")}`;
  return `v2 does not list hidden names (_name): if there are any${others}, give them by --also`;
}

/** Users and roles are not copied: v2 does not tell passwords. */
async function usersOf({ source: { client }, signal }: Job): Promise<readonly string[]> {
  try {
    const isOn = await new AuthAPI(client).status(signal);
    const users = await new AuthUserAPI(client).list(signal);
    const roles = (await new AuthRoleAPI(client).list(signal)).filter((role) => role !== "guest" && role !== "root");
    if (!isOn && users.length === 0) return [];
    const counts = `${String(users.length)} users and ${String(roles.length)} roles`;
    return [`v2 has ${counts}, which are not copied: passwords cannot be read. Make them in v3 with etcdctl`];
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof EtcdError || error instanceof ResponseError)) throw error;
    return ["the user of --from may not read users and roles; they are not copied: make them in v3 with etcdctl"];
  }
}
