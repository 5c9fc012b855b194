/** A table; the first column is text, the others are figures unless said. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  align: "figures" | "text" = "figures",
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 || align === "text" ? "---" : "---:"))), ...rows.map(line)].join(
    "\n",
  );
}

/** A dash of what was not measured. */
export function figure(value: number, digits: number): string {
  return Number.isNaN(value) ? "–" : value.toFixed(digits);
}

/** Of a ratio: how much more than 1 it is. */
export function percentAbove(value: number, digits: number): string {
  if (Number.isNaN(value)) return "–";
  return `${value >= 1 ? "+" : ""}${((value - 1) * 100).toFixed(digits)} %`;
}

export function kilobytes(bytes: number): string {
  return figure(bytes / 1024, 1);
}

export function megabytes(bytes: number): string {
  return figure(bytes / 2 ** 20, 1);
}

/** "get c=16" as "GET c=16". */
export function scenarioTitle(scenario: string): string {
  return scenario.replace(/^\S+/, (kind) => kind.toUpperCase());
}
