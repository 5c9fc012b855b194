/** A set of v3 revisions, as sorted ranges: those of one writer are mostly consecutive. */
export class Revisions {
  readonly #ranges: [first: number, last: number][];

  /** @param ranges as {@link ranges} gives them */
  constructor(ranges: readonly (readonly [number, number])[] = []) {
    this.#ranges = ranges.map(([first, last]) => [first, last]);
  }

  /** How many ranges there are. */
  get size(): number {
    return this.#ranges.length;
  }

  /** The ranges in ascending order, first and last revision of each. */
  get ranges(): readonly (readonly [number, number])[] {
    return this.#ranges;
  }

  has(revision: number): boolean {
    const range = this.#ranges[this.#after(revision) - 1];
    return range !== undefined && revision <= range[1];
  }

  add(revision: number): void {
    const at = this.#after(revision);
    const before = this.#ranges[at - 1];
    const next = this.#ranges[at];
    if (before !== undefined && revision <= before[1]) return;
    const joinsNext = next?.[0] === revision + 1;
    if (before?.[1] === revision - 1) {
      before[1] = joinsNext ? next[1] : revision;
      if (joinsNext) this.#ranges.splice(at, 1);
    } else if (joinsNext) next[0] = revision;
    else this.#ranges.splice(at, 0, [revision, revision]);
  }

  /** The place after the last range that begins at the revision or before it. */
  #after(revision: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.[0] ?? Infinity) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
