import { createInterface } from "node:readline/promises";
import type { Client, Credentials } from "../../core/index.js";
import type { Context } from "../command.js";
import { exitCodeOf } from "../exit-code.js";
import { BadUsage, CommandFailed, Interrupted } from "../io.js";
import { printable, Progress } from "../progress.js";
import { flagOf } from "../values.js";
import { check, obstacleIn, type Checked } from "./check.js";
import { copy } from "./copy.js";
import { Follower } from "./follow.js";
import type { Job } from "./job.js";
import type { MigrateOptions } from "./options.js";
import { purge } from "./purge.js";
import { Source } from "./source.js";
import { State } from "./state.js";
import { Target } from "./target.js";
import { verify, wasVerified } from "./verify.js";
import { batchKeys, Writer } from "./writer.js";

/** Something is in the way; nothing was written. */
const exitInTheWay = 4;
/** How many keys a line names. */
const named = 10;

/** The first request to each cluster. It is not retried, so that a wrong address shows at once. */
const firstContact = { method: "GET", path: "/version", retryForMs: 0 } as const;

/** Both clusters. */
export interface Clients {
  /** Of v2, with its user. */
  readonly from: Client;
  /** Of v3, for requests to the gateway: without a user. */
  readonly to: Client;
  /** Of the user of `to`. */
  readonly credentials: Credentials | undefined;
}

/** One run of `etcd2 migrate`. */
export class Migration {
  readonly #context: Context;
  readonly #options: MigrateOptions;
  readonly #clients: Clients;
  readonly #maySave: boolean;
  #progress: Progress | undefined;

  /** @param maySave whether the state file may be written */
  constructor(context: Context, options: MigrateOptions, clients: Clients, maySave: boolean) {
    this.#maySave = maySave;
    this.#context = context;
    this.#options = options;
    this.#clients = clients;
  }

  /**
   * Does what the options say.
   *
   * @returns the exit code
   * @throws {BadUsage} the state file is another migration's
   * @throws {CommandFailed} it cannot go on
   * Rejects with the signal's reason, and as the clients do.
   */
  async run(): Promise<number> {
    const { out, signal } = this.#context;
    let code: number | undefined;
    try {
      code = await this.#work();
    } catch (error) {
      const reason: unknown = signal.aborted ? signal.reason : error;
      this.#sayHowToGoOn(reason);
      code = exitCodeOf(reason);
      throw error;
    } finally {
      if (out.json) this.#context.io.stdout.write(`${JSON.stringify({ phase: "end", exit: code })}\n`);
    }
    return code;
  }

  async #work(): Promise<number> {
    const { task, dryRun, follow, verify: verifies } = this.#options;
    const job = await this.#job(this.#context.signal);
    if (typeof job === "string") return this.#refuse([job]);
    if (task === "verify") return this.#verify(job);
    if (task === "purge") return this.#purge(job);
    if (job.state.phase === "purge")
      throw new BadUsage(
        `the v2 data has been purged, so nothing may be copied from it: delete ${job.state.file} to start again`,
      );
    const checked = await check(job);
    this.#report(checked);
    if (checked.inTheWay.length > 0) return this.#refuse(checked.inTheWay);
    if (dryRun) this.#plan(checked);
    if (dryRun || task === "check") return 0;
    const total = checked.paths;
    if (!follow) return this.#copy({ ...job, total });
    await this.#follow({ ...job, total });
    return verifies ? this.#verify(await this.#mustJob()) : 0;
  }

  /** The stores and the state; or what is in the way, if one of them refuses. */
  async #job(signal: AbortSignal): Promise<Job | string> {
    const { io, out } = this.#context;
    const options = this.#options;
    const { prefix, namespace, directories, also, stateFile } = options;
    const { from, to, credentials } = this.#clients;
    await Promise.all([from, to].map((client) => client.send(firstContact, signal)));
    const source = new Source(from, signal);
    const target = new Target({ client: to, credentials, namespace, signal });
    let state: State;
    try {
      const place = await source.place(prefix);
      await target.find([prefix === "/" ? "/_etcd2-migrate" : prefix], () => true);
      const scope = { from: place.clusterId, to: target.clusterId, prefix, namespace, directories, also };
      state = State.open(stateFile, scope, target.revision);
    } catch (error) {
      const obstacle = obstacleIn(error);
      if (obstacle === undefined) throw error;
      return obstacle;
    }
    const json = out.json ? io.stdout : undefined;
    return {
      options,
      io,
      out,
      signal,
      source,
      target,
      state,
      roots: [prefix, ...also],
      begin: (phase, details) => (this.#progress = new Progress(io, { phase, json, ...(details && { details }) })),
      say: (text) => {
        this.#say(text);
      },
    };
  }

  /** After Ctrl-C has ended following: what comes then can be ended by another one. */
  async #mustJob(): Promise<Job> {
    const job = await this.#job(new AbortController().signal);
    if (typeof job === "string") throw new CommandFailed(job);
    return job;
  }

  async #copy(job: Job): Promise<number> {
    const before = await job.source.place(job.options.prefix);
    job.state.save();
    const writer = new Writer(job);
    await copy(job, writer, before.index);
    const { written, deleted, equal } = writer.counts;
    this.#say(`${String(written)} keys were written, ${String(deleted)} deleted, ${String(equal)} were equal`);
    this.#sayConflicts(writer);
    const after = await job.source.place(job.options.prefix);
    if (after.index !== before.index)
      this.#say(
        `v2 was written to meanwhile (index ${String(before.index)} to ${String(after.index)}): run it again, or with --follow`,
      );
    return 0;
  }

  /** Returns when it was interrupted and another step follows; else throws what ended it. */
  async #follow(job: Job): Promise<void> {
    job.state.save();
    const follower = new Follower(job);
    try {
      await follower.run();
    } catch (error) {
      if (!job.signal.aborted) throw error;
      follower.end();
      this.#sayConflicts(follower.writer);
      if (!this.#options.verify) throw error;
    }
  }

  async #verify(job: Job): Promise<number> {
    const { differences, index } = await verify(job);
    job.state.verifiedIndex = differences === 0 ? index : 0;
    if (this.#maySave) job.state.save();
    this.#say(differences === 0 ? "v2 and v3 do not differ" : `${String(differences)} differences`);
    return differences === 0 ? 0 : 1;
  }

  async #purge(job: Job): Promise<number> {
    const { state, options } = job;
    const { files, differences, index } = await verify(job, (pair) => wasVerified(pair, state.verifiedIndex));
    if (differences > 0) {
      this.#say(`${String(differences)} differences: nothing was deleted`);
      return 1;
    }
    if (options.dryRun) {
      this.#say(`would delete ${String(files)} keys of v2, and their directories`);
      return 0;
    }
    if (!(await this.#isConfirmed(files))) {
      this.#say("nothing was deleted");
      return 1;
    }
    state.phase = "purge";
    state.verifiedIndex ||= index;
    state.save();
    const { keys, left } = await purge(job, files);
    this.#say(`${String(keys)} keys of v2 were deleted`);
    for (const line of afterPurge) this.#say(line);
    if (left.length === 0) return 0;
    this.#say(`left in v2, since there are hidden keys in them (name them by --also): ${namesOf(left)}`);
    return 1;
  }

  async #isConfirmed(files: number): Promise<boolean> {
    const { io, values, signal } = this.#context;
    if (flagOf(values, "yes")) return true;
    const reader = createInterface({ input: io.stdin, output: io.stderr });
    // Ctrl-C comes to the reader then
    reader.on("SIGINT", () => {
      process.kill(process.pid, "SIGINT");
    });
    try {
      const answer = await reader.question(`Delete ${String(files)} keys of v2 for good? Type yes: `, { signal });
      return answer.trim() === "yes";
    } finally {
      reader.close();
    }
  }

  #report({ files, directories, mortal, bytes, notes }: Checked): void {
    const size = `${(bytes / 1_048_576).toFixed(1)} MiB`;
    this.#say(
      `v2 has ${String(files)} keys (${String(mortal)} with a TTL) in ${String(directories)} directories, ${size}`,
    );
    for (const note of notes) this.#say(`note: ${note}`);
  }

  #plan({ toWrite, equal, toDelete, mortal }: Checked): void {
    const transactions = Math.ceil((toWrite + toDelete) / batchKeys);
    this.#say(
      `would write ${String(toWrite)} keys and directories to v3 in about ${String(transactions)} transactions, with leases for up to ${String(mortal)} keys; delete ${String(toDelete)}; leave ${String(equal)} that are equal`,
    );
    if (this.#options.follow) this.#say("would then apply every change of v2 until Ctrl-C");
  }

  async #refuse(inTheWay: readonly string[]): Promise<number> {
    const { out } = this.#context;
    for (const line of inTheWay) {
      if (out.json) await out.line("", { inTheWay: line });
      else this.#say(`in the way: ${line}`);
    }
    this.#say("nothing was written");
    return exitInTheWay;
  }

  #sayConflicts({ conflicts }: Writer): void {
    if (conflicts.size === 0) return;
    this.#say(`${String(conflicts.size)} keys were kept as others wrote them to v3: ${namesOf([...conflicts].sort())}`);
  }

  #sayHowToGoOn(error: unknown): void {
    const { task, follow, stateFile, dryRun } = this.#options;
    if (error instanceof BadUsage || task === "verify" || task === "check" || dryRun) return;
    this.#say(
      error instanceof Interrupted && follow
        ? `stopped following; the state is in ${stateFile}. The same command goes on; when writers have stopped, --verify compares`
        : `broken off; the state is in ${stateFile}. The same command goes on from there`,
    );
  }

  /** For people: on stderr, like the progress. */
  #say(text: string): void {
    this.#progress?.clear();
    this.#context.io.stderr.write(`migrate: ${text}\n`);
  }
}

/** The first keys of a list, on one line. */
function namesOf(keys: readonly string[]): string {
  return `${keys.slice(0, named).map(printable).join(", ")}${keys.length > named ? ", ..." : ""}`;
}

/** What v2 data leaves behind. */
const afterPurge = [
  "before etcd 3.6: every member must take a snapshot after this, which it does after --snapshot-count writes",
  "then `etcdutl check v2store --data-dir DIR` of 3.5.30 or later must find no custom content on each member",
];
