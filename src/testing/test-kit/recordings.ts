import { readFileSync } from "node:fs";
import type { EtcdVersion } from "../../server/messages.js";
import type { Way } from "./fakes.js";

/** A request that was sent to a real etcd. */
export interface RecordedRequest {
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** A text, repeated so many times, that is added to the target. */
  readonly pad?: readonly [text: string, times: number];
  /** A body: a head, and a text repeated so many times. */
  readonly bodyRepeat?: readonly [head: string, text: string, times: number];
}

/** Its response, with masks for what changes. */
export interface RecordedResponse {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly error?: string;
  readonly counts?: Readonly<Record<string, number>>;
  readonly deltas?: readonly number[];
  readonly index?: number;
}

interface RequestStep {
  readonly do: "request" | "repeat" | "open";
  readonly request: RecordedRequest;
  readonly member?: number | "leader" | "follower";
  readonly fresh?: boolean;
  readonly quiet?: boolean;
  readonly times?: number;
  readonly as?: string;
  readonly answer: RecordedResponse;
}

interface WatchStep {
  readonly do: "whole" | "line" | "silent" | "abandon";
  readonly of: string;
  readonly ms?: number;
  readonly answer: RecordedResponse;
}

export type RecordedStep =
  | RequestStep
  | WatchStep
  | { readonly do: "pass"; readonly ms: number; readonly answer: RecordedResponse }
  | { readonly do: "node"; readonly what: "kill-others"; readonly member: number; readonly answer: RecordedResponse }
  | { readonly do: "counts" | "indexes"; readonly steps: readonly RequestStep[]; readonly answer: RecordedResponse }
  | { readonly do: "firstIndex"; readonly answer: RecordedResponse };

export interface RecordedCase {
  readonly id: string;
  readonly group: string;
  readonly title: string;
  readonly versions: readonly EtcdVersion[];
  readonly steps: readonly RecordedStep[];
  /** @default 1 */
  readonly members?: number;
  /** @default true */
  readonly enableV2?: boolean;
  /** Responses of other versions, by version and number of the step. */
  readonly differs?: Readonly<Partial<Record<EtcdVersion, Readonly<Record<string, RecordedResponse>>>>>;
  readonly unordered?: boolean;
  readonly shape?: boolean;
  readonly allHeaders?: boolean;
}

export const versions: readonly EtcdVersion[] = ["3.3", "3.4", "3.5"];

/** The cases that are replayed on a fake of that version. Those about connections are left out where there are none. */
export function playedCases(version: EtcdVersion, way: Way): readonly RecordedCase[] {
  return recordedCases().filter(
    ({ id, versions: of }) => of.includes(version) && (way === "http" || !aboutConnections.has(id)),
  );
}

const aboutConnections: ReadonlySet<string> = new Set(["set-long-line"]);

/**
 * The recorded responses of real servers, by version. `about` and the fields next to it in the file explain the format.
 */
export function recordedCases(): readonly RecordedCase[] {
  const file = new URL("../../../../src/testing/test-kit/fake-etcd-recordings.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly cases: readonly RecordedCase[] }).cases;
}
