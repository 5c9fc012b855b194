import assert from "node:assert/strict";
import type { ListerWatcher, Listing, WatchEvent } from "../index.js";

/** One response of a {@link ScriptedLister}. */
export type Step<T> =
  { readonly list: Listing<T> | Error } | { readonly watch: readonly (WatchEvent<T> | Error | "hang")[] };

/** Lists and watches by a script, and records the calls. After the script it hangs. */
export class ScriptedLister<T> implements ListerWatcher<T> {
  readonly asked: string[] = [];
  readonly at: number[] = [];
  #steps: readonly Step<T>[];
  #waiting: (() => void)[] = [];

  constructor(...steps: readonly Step<T>[]) {
    this.#steps = steps;
  }

  async list(): Promise<Listing<T>> {
    const step = this.#next("list");
    if (step === undefined) return hang();
    assert.ok("list" in step, `a list was requested, not ${JSON.stringify(step)}`);
    if (step.list instanceof Error) throw step.list;
    return step.list;
  }

  async *watch({
    resourceVersion,
  }: {
    readonly resourceVersion: string;
  }): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const step = this.#next(`watch ${resourceVersion}`);
    if (step === undefined) return hang();
    assert.ok("watch" in step, `a watch was requested, not ${JSON.stringify(step)}`);
    for (const event of step.watch) {
      if (event instanceof Error) throw event;
      if (event === "hang") return hang();
      yield event;
    }
  }

  async askedTimes(count: number): Promise<void> {
    while (this.asked.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #next(what: string): Step<T> | undefined {
    this.asked.push(what);
    this.at.push(performance.now());
    for (const resolve of this.#waiting.splice(0)) resolve();
    const [step, ...others] = this.#steps;
    this.#steps = others;
    return step;
  }
}

/** Never settles. */
function hang(): Promise<never> {
  return new Promise(() => undefined);
}
