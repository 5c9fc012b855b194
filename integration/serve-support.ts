import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { atExit, projectRoot } from "../scripts/run.mjs";
import { until } from "../src/test-kit/waiting.js";

/** The line that `etcd2 serve --json` prints when it serves. */
export interface Announcement {
  readonly url: string;
  readonly advertise: readonly string[];
  readonly protocol: string;
  readonly endpoints: readonly string[];
  readonly namespace?: string;
  /** Absent: no endpoint responded. */
  readonly etcd?: string;
}

/** A running `etcd2 serve`. Killed with this process, and by `await using`. */
export interface Serving extends AsyncDisposable {
  readonly url: string;
  readonly said: Announcement;
  /** Everything on stderr so far. */
  readonly err: () => string;
  /** Sends a signal. */
  readonly signal: (name: NodeJS.Signals) => void;
  /** The exit status; null if a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** Starts `etcd2 serve` on a free port, and waits until it serves. */
export async function startServe(
  endpoints: readonly string[],
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  const file = join(projectRoot, "dist", "src", "cli", "main.js");
  const fixed = ["serve", "--json", ...(args.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"])];
  const child = spawn(process.execPath, [file, ...fixed, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ETCD_ENDPOINTS: endpoints.join(","), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => (texts.out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (texts.err += chunk.toString()));
  const ended = once(child, "close").then(([code]) => code as number | null);
  const forget = atExit(() => {
    child.kill("SIGKILL");
  });
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  await until("etcd2 serve says what it serves, or ends", () => texts.out.includes("\n") || hasEnded());
  if (!texts.out.includes("\n"))
    throw new Error(`etcd2 serve ended with ${String(child.exitCode ?? child.signalCode)}: ${texts.err}`);
  const said = JSON.parse(texts.out) as Announcement;
  return {
    url: said.url,
    said,
    err: () => texts.err,
    signal: (name) => {
      child.kill(name);
    },
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
      forget();
    },
  };
}
