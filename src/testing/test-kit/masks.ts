import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";

/** What masks stand for, on the server at hand. */
export interface Facts {
  /** The store's index at the start of the case. */
  readonly index: number;
  readonly clusterId: string;
  /** By name: "id:m1", "peer:leader" and the like. */
  readonly members: ReadonlyMap<string, string>;
}

const mask = /\{(i20?[+-]\d+|i\+\d+|n|[<>]?\d+|time|cluster|(?:id|peer|client|name):\w+|server|cluster version)\}/g;

/** A request's text with its placeholders filled in. */
export function fill(text: string, facts: Facts): string {
  return text.replace(mask, (all, name: string) => valueOf(name, facts) ?? all);
}

/** Whether a text is what was recorded. */
export function fits(recorded: string, actual: string, facts: Facts): boolean {
  const source: string[] = [];
  const limits: ((text: string) => boolean)[] = [];
  let from = 0;
  for (const found of recorded.matchAll(mask)) {
    const [all, name = ""] = found;
    source.push(escaped(recorded.slice(from, found.index)));
    const value = valueOf(name, facts);
    if (value !== undefined) source.push(escaped(value));
    else {
      const { pattern, limit = () => true } = wildcards(name);
      source.push(`(${pattern})`);
      limits.push(limit);
    }
    from = found.index + all.length;
  }
  source.push(escaped(recorded.slice(from)));
  const match = new RegExp(`^${source.join("")}$`, "su").exec(actual);
  return match !== null && limits.every((limit, at) => limit(match[at + 1] ?? ""));
}

/** Whether two JSON texts are alike but for the order in arrays. */
export function fitsUnordered(recorded: string, actual: string, facts: Facts): boolean {
  const unquoted = recorded.replace(/"(\{i[+-]\d+\})"/g, "$1");
  return isDeepStrictEqual(sorted(JSON.parse(fill(unquoted, facts))), sorted(JSON.parse(actual)));
}

/** The types of a JSON text's fields in place of its values. */
export function shapeOf(text: string): string {
  return JSON.stringify(types(JSON.parse(text)));
}

/** What a mask stands for; undefined: anything of its kind. */
function valueOf(name: string, { index, clusterId, members }: Facts): string | undefined {
  const offset = /^i(20)?([+-]\d+)$/.exec(name);
  if (offset !== null) return String(index + Number(offset[2])).padStart(offset[1] === undefined ? 0 : 20, "0");
  if (name === "cluster") return clusterId;
  return /^(id|peer|client|name):/.test(name) && !name.startsWith("id:new")
    ? (members.get(name) ?? `no ${name}`)
    : undefined;
}

function wildcards(name: string): { readonly pattern: string; readonly limit?: (text: string) => boolean } {
  if (name === "n") return { pattern: "\\d+" };
  if (name === "time") return { pattern: "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d*[1-9])?Z" };
  if (name === ">0") return { pattern: "[1-9]\\d*" };
  if (name === "<0") return { pattern: "-[1-9]\\d*" };
  if (name.startsWith("id:new")) return { pattern: "[1-9a-f][\\da-f]*" };
  if (/^\d+$/.test(name)) return { pattern: "\\d+", limit: (text) => Math.abs(Number(text) - Number(name)) <= 1 };
  assert.match(name, /^(server|cluster version)$/);
  return { pattern: "\\d+\\.\\d+\\.\\d+" };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, sorted(field)]));
}

function types(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(types);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, types(field)]));
}
