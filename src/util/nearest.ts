/** The name that was probably meant: it differs in case or by a few slips, or one of the two is the beginning of the other. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const given = name.toLowerCase();
  const ranked = names
    .map((each) => ({ each, slips: slipsOf(given, each.toLowerCase()) }))
    .filter(({ slips }) => slips <= Math.max(1, Math.floor(given.length / 3)))
    .sort((a, b) => a.slips - b.slips);
  return ranked[0]?.each;
}

/** How many letters must be added, left out, changed or swapped. A missing beginning or end, such as a unit, is one slip. */
function slipsOf(a: string, b: string): number {
  const isPart =
    Math.min(a.length, b.length) >= 3 && (a.startsWith(b) || b.startsWith(a) || a.endsWith(b) || b.endsWith(a));
  return isPart && a !== b ? 1 : distance(a, b);
}

/** Optimal string alignment: Levenshtein's distance, where swapping two neighbours is one step. */
function distance(a: string, b: string): number {
  let before: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          at(last, j) + 1,
          at(row, j - 1) + 1,
          at(last, j - 1) + (same ? 0 : 1),
          swapped ? at(before, j - 2) + 1 : Infinity,
        ),
      );
    }
    [before, last] = [last, row];
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
