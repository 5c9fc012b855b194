/** What a leader's process reported; `atMs` is the monotonic clock that all processes of a machine share. */
export type Fact = {
  readonly atMs: number;
} & (
  | { readonly type: "ready" }
  /** The callback begins, and starts to check its signal. */
  | { readonly type: "begin"; readonly token: number }
  /** The signal was checked at that time, and had not aborted. */
  | { readonly type: "leads"; readonly token: number }
  /** The signal's abort event fired. */
  | { readonly type: "abort"; readonly token: number }
  /** The callback is about to return. */
  | { readonly type: "end"; readonly token: number }
);

/** A fact to report; the time is added later. */
export type FactOf<F> = F extends { readonly atMs: number } ? Omit<F, "atMs"> & { readonly atMs?: number } : never;

/** One term of one process. */
export interface TermRecord {
  readonly process: string;
  readonly token: number;
  readonly beginMs: number;
  /** When its signal was last checked and had not aborted. */
  readonly lastLedMs: number;
  /** When the signal's abort event fired; absent if the process was killed before. */
  readonly abortMs: number | undefined;
}

/** Folds the facts of one process into its terms. */
export function termsOf(process: string, facts: readonly Fact[]): readonly TermRecord[] {
  const terms = new Map<number, TermRecord>();
  for (const fact of facts) {
    if (fact.type === "ready") continue;
    const { token, atMs, type } = fact;
    const term = terms.get(token) ?? { process, token, beginMs: atMs, lastLedMs: atMs, abortMs: undefined };
    if (type === "leads") terms.set(token, { ...term, lastLedMs: Math.max(term.lastLedMs, atMs) });
    else if (type === "abort") terms.set(token, { ...term, abortMs: atMs });
    else terms.set(token, term);
  }
  return [...terms.values()];
}

/**
 * All violations in a history, one line each.
 *
 * @param limit how many may lead at a time: 1, or the limit of a semaphore
 */
export function violationsOf(terms: readonly TermRecord[], limit = 1): readonly string[] {
  const sorted = [...terms].sort((a, b) => a.beginMs - b.beginMs);
  return sorted.flatMap((term, i) => {
    const problems = [...crowds(term, sorted.slice(0, i), limit), ...disorders(term, sorted, limit)];
    if (sorted.slice(0, i).some(({ token }) => token === term.token))
      problems.push(`${nameOf(term)} has no token of its own`);
    if (term.abortMs !== undefined && term.lastLedMs > term.abortMs) {
      problems.push(`${nameOf(term)} reported that it leads after its signal had aborted`);
    }
    return problems;
  });
}

/** Too many at a time: those that began before this one, and led longer than until its beginning. */
function crowds(term: TermRecord, earlier: readonly TermRecord[], limit: number): readonly string[] {
  const present = earlier.filter(({ lastLedMs }) => lastLedMs >= term.beginMs);
  if (present.length < limit) return [];
  const others = present.map((each) => `${nameOf(each)} (${(each.lastLedMs - term.beginMs).toFixed(3)} ms longer)`);
  return [`${nameOf(term)} began while others led: ${others.join(", ")}`];
}

/**
 * Not first come, first served: when a term began there were too many with lower tokens that led longer, or were still to
 * begin. With a limit of 1 that is a token that does not grow.
 */
function disorders(term: TermRecord, terms: readonly TermRecord[], limit: number): readonly string[] {
  const ahead = terms.filter(
    ({ token, beginMs, lastLedMs }) => token < term.token && (beginMs > term.beginMs || lastLedMs >= term.beginMs),
  );
  if (ahead.length < limit) return [];
  return [`${nameOf(term)} began before its turn, which was after ${ahead.map(nameOf).join(", ")}`];
}

/** How long, in ms, a signal's event came after the next leader had begun: only in processes that were frozen then. */
export function lateEventsOf(
  terms: readonly TermRecord[],
): readonly { readonly term: TermRecord; readonly byMs: number }[] {
  return terms.flatMap((term) => {
    const next = terms.filter(({ beginMs }) => beginMs > term.beginMs).sort((a, b) => a.beginMs - b.beginMs)[0];
    if (next === undefined || term.abortMs === undefined || term.abortMs < next.beginMs) return [];
    return [{ term, byMs: term.abortMs - next.beginMs }];
  });
}

function nameOf({ process, token }: TermRecord): string {
  return `${process}'s term ${String(token)}`;
}
