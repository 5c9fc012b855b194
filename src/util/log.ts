import type { Debug, Debugger } from "debug";
import { lazy } from "./lazy.js";

/** The part of the package that writes. */
type Name = "http" | "curl" | "client" | "sync" | "watch" | "config" | "discovery" | "election" | "consul";

/** One namespace of `debug`. */
export interface Channel {
  /** Writes a line to stderr if the channel is enabled; the format is that of `debug`. */
  (format: string, ...args: readonly unknown[]): void;
  /** Whether lines are written. Known once {@link loadLog} has resolved; false until then, unless it was set. */
  enabled: boolean;
}

/**
 * The package's `debug` channels, `etcd2:http` and so on, on stderr. Keys, statuses and origins go here; values, headers and
 * credentials never do.
 */
export const log: Readonly<Record<Name, Channel>> = {
  http: channel("http"),
  curl: channel("curl"),
  client: channel("client"),
  sync: channel("sync"),
  watch: channel("watch"),
  config: channel("config"),
  discovery: channel("discovery"),
  election: channel("election"),
  consul: channel("consul"),
};

/** Whether `debug` is loaded: until then lines wait, and no channel knows whether it is enabled. */
export function isLogLoaded(): boolean {
  return debug !== undefined;
}

/**
 * Loads `debug`, with the first request or the first line. At import it would take longer than all of our own code.
 * Rejects if it cannot be loaded; the next call tries again.
 */
export const loadLog: () => Promise<void> = lazy(async () => {
  // a literal import, so that bundlers and tracers see it
  ({ default: debug } = await import("debug"));
  for (const write of waiting.splice(0)) write();
});

let debug: Debug | undefined;

/** Lines written before `debug` was loaded; at most {@link maxWaiting}. */
const waiting: (() => void)[] = [];
const maxWaiting = 1_000;

function channel(name: Name): Channel {
  let made: Debugger | undefined;
  let set: boolean | undefined;
  const debugger_ = (): Debugger | undefined => {
    if (made !== undefined || debug === undefined) return made;
    made = debug(`etcd2:${name}`);
    if (set !== undefined) made.enabled = set;
    return made;
  };
  const write = (format: string, ...args: readonly unknown[]): void => {
    const ready = debugger_();
    if (ready !== undefined) {
      ready(format, ...args);
      return;
    }
    if (waiting.length < maxWaiting) waiting.push(() => debugger_()?.(format, ...args));
    // if it fails, the line waits for the next load
    loadLog().catch(() => undefined);
  };
  return Object.defineProperty(write, "enabled", {
    get: () => (made ?? debugger_())?.enabled ?? set ?? false,
    set: (enabled: boolean) => {
      set = enabled;
      const ready = debugger_();
      if (ready !== undefined) ready.enabled = enabled;
    },
  }) as Channel;
}
