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
  /** Resolves when it has ended by itself, and all it wrote is here. */
  readonly ended: Promise<Ended>;
}

/** How {@link startChild} runs a program. */
export interface ChildOptions {
  /** Added to this process' own. */
  readonly env?: NodeJS.ProcessEnv;
  /** For Node, before the program. */
  readonly nodeArgs?: readonly string[];
  /** How many file descriptors it may have. Absent: as many as this process. */
  readonly descriptors?: number;
}

/** Runs a program beside this file in a Node process of its own; killed when the test ends before it. */
export function startChild(
  t: TestContext,
  program: string,
  args: readonly string[] = [],
  { env = {}, nodeArgs = [], descriptors }: ChildOptions = {},
): Child {
  const { DEBUG: _debug, NODE_TEST_CONTEXT: _context, ...inherited } = process.env;
  const command = [process.execPath, ...nodeArgs, fileURLToPath(new URL(program, import.meta.url)), ...args];
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
