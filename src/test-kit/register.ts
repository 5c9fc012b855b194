// node:test's functions, for suites that are registered from another file.
import * as runner from "node:test";

type Body = (t: runner.TestContext) => void | Promise<void>;
interface Options {
  readonly timeout?: number;
  readonly concurrency?: boolean | number;
}

export function test(name: string, ...rest: [Options, Body] | [Body]): void {
  if (rest.length === 1) void runner.test(name, rest[0]);
  else void runner.test(name, rest[0], rest[1]);
}

export function describe(name: string, options: Options, body: () => void): void {
  void runner.describe(name, options, body);
}

export function before(body: () => void | Promise<void>): void {
  runner.before(body);
}

export function after(body: () => void | Promise<void>): void {
  runner.after(body);
}
