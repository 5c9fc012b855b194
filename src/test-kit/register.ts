import * as runner from "node:test";

type Body = (t: runner.TestContext) => void | Promise<void>;
interface Options {
  readonly timeout?: number;
  readonly concurrency?: boolean | number;
}

let collected: string[] | undefined;

/** The names of the tests that `register` would make with the functions below. None of them is made. */
export function namesOf(register: () => void): readonly string[] {
  const names: string[] = [];
  collected = names;
  try {
    register();
  } finally {
    collected = undefined;
  }
  return names;
}

/** node:test's own, for suites whose server may not be there: {@link namesOf} tells then what is missing. */
export function test(name: string, ...rest: [Options, Body] | [Body]): void {
  if (collected !== undefined) collected.push(name);
  else if (rest.length === 1) void runner.test(name, rest[0]);
  else void runner.test(name, rest[0], rest[1]);
}

export function describe(name: string, options: Options, body: () => void): void {
  if (collected !== undefined) body();
  else void runner.describe(name, options, body);
}

export function before(body: () => void | Promise<void>): void {
  if (collected === undefined) runner.before(body);
}

export function after(body: () => void | Promise<void>): void {
  if (collected === undefined) runner.after(body);
}
