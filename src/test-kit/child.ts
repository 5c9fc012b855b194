import { spawn, type ChildProcess } from "node:child_process";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Child {
  readonly process: ChildProcess;
  /** Resolves when it has ended by itself and all its output was read. */
  readonly ended: Promise<Ended>;
}

/** How {@link startChild} runs a program. */
export interface ChildOptions {
  /** Added to the environment of this process. */
  readonly env?: NodeJS.ProcessEnv;
  /** Arguments for Node, before the program. */
  readonly nodeArgs?: readonly string[];
  /** The limit of open file descriptors. Absent: that of this process. */
  readonly descriptors?: number;
}

/** On a busy machine a program may make no progress for 5 s: that warning is not a fault of the program. */
export const withoutStalled = "--disable-warning=ETCD2_STALLED";

/** Runs a program from this folder in its own Node process, which is killed if the test ends first. */
export function startChild(
  t: TestContext,
  program: string,
  args: readonly string[] = [],
  { env = {}, nodeArgs = [], descriptors }: ChildOptions = {},
): Child {
  const { DEBUG: _debug, NODE_TEST_CONTEXT: _context, ...inherited } = process.env;
  const command = [
    process.execPath,
    withoutStalled,
    ...nodeArgs,
    fileURLToPath(new URL(program, import.meta.url)),
    ...args,
  ];
  const limited = descriptors === undefined ? [] : ["sh", "-c", `ulimit -n ${String(descriptors)}; exec "$@"`, "sh"];
  const [file = "", ...rest] = [...limited, ...command];
  const child = spawn(file, rest, { env: { ...inherited, ...env } });
  t.after(() => child.kill("SIGKILL"));
  const [stdout, stderr]: [string[], string[]] = [[], []];
  child.stdout.setEncoding("utf8").on("data", (text: string) => stdout.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr.push(text));
  const ended = new Promise<Ended>((resolve) =>
    child.once("close", (status) => {
      resolve({ status, stdout: stdout.join(""), stderr: stderr.join("") });
    }),
  );
  return { process: child, ended };
}
