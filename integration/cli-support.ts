import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { projectRoot } from "../scripts/run.mjs";
import { until } from "../src/test-kit/waiting.js";

/** The compiled command. */
const cliFile = join(projectRoot, "dist", "src", "cli", "main.js");

/** A command's exit status and output. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  /** Written to stdin, which is then closed. @default "" */
  readonly input?: string;
  /** Added to the environment, which otherwise contains only PATH and TERM. */
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
}

/** Runs the command to its end. */
export function etcd2(
  args: readonly string[],
  { input = "", env = {}, nodeArgs = [] }: RunOptions = {},
): Promise<Ended> {
  return runProgram(process.execPath, [...nodeArgs, cliFile, ...args], input, env);
}

/** Runs a shell command line in which `etcd2` is the command. */
export function shell(line: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return runProgram(
    "/bin/bash",
    ["--norc", "-c", `etcd2() { '${process.execPath}' '${cliFile}' "$@"; }; ${line}`],
    "",
    env,
  );
}

/** A command that runs on a pseudo terminal. */
export interface OnTerminal {
  /** Everything that the terminal has shown so far. */
  readonly shown: () => string;
  /** Waits until it has shown this. Fails as soon as the command ends without. */
  readonly untilShown: (expected: string | RegExp) => Promise<void>;
  readonly type: (keys: string) => void;
  readonly ended: Promise<number | null>;
}

/** Starts the command on a pseudo terminal, made by util-linux's `script`. */
export function onTerminal(args: readonly string[], env: Readonly<Record<string, string>> = {}): OnTerminal {
  const words = [process.execPath, cliFile, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  // without exec, Ctrl-C would also end the shell in between with 130, whatever the command does
  const line = `exec ${words.join(" ")}`;
  const child = spawn("script", ["-qec", line, "/dev/null"], { env: { ...baseEnv(), TERM: "xterm", ...env } });
  let shown = "";
  child.stdout.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  let end: { readonly code: number | null } | undefined;
  const ended = once(child, "close").then(([code]) => {
    end = { code: code as number | null };
    return end.code;
  });
  const untilShown: OnTerminal["untilShown"] = async (expected) => {
    await until(`the terminal shows ${String(expected)}`, () => {
      if (typeof expected === "string" ? shown.includes(expected) : expected.test(shown)) return true;
      if (end !== undefined)
        assert.fail(`ended with ${String(end.code)}, and did not show ${String(expected)}:\n${shown}`);
      return false;
    });
  };
  return { shown: () => shown, untilShown, type: (keys) => child.stdin.write(keys), ended };
}

async function runProgram(
  program: string,
  args: readonly string[],
  input: string,
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  const child = spawn(program, args, { env: { ...baseEnv(), ...env } });
  const texts = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => (texts.out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (texts.err += chunk.toString()));
  // a command that does not read its input may already have ended
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...texts };
}

function baseEnv(): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "" };
}
