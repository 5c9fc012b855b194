const width = 720;
const labelWidth = 190;
const valueWidth = 70;
const rowHeight = 34;
const top = 62;

export interface Chart {
  readonly title: string;
  /** What is shown, its unit, and which way is better. */
  readonly subtitle: string;
  readonly bars: readonly (readonly [name: string, value: number])[];
  /** Behind the point. */
  readonly digits: number;
}

/**
 * Bars side by side, as an SVG. Ours are the strong ones. Its colours are in between, so that they read on light and on
 * dark pages: what a page looks like an image cannot know, only what the system prefers.
 */
export function barChart({ title, subtitle, bars, digits }: Chart): string {
  const scale = (width - labelWidth - valueWidth) / Math.max(...bars.map(([, value]) => value));
  const rows = bars.map(([name, value], i) => {
    const y = top + i * rowHeight;
    const length = Math.max(1, value * scale);
    const kind = name.startsWith("etcd2") ? "ours" : "other";
    return [
      `  <text class="label ${kind}" x="${String(labelWidth - 10)}" y="${String(y + 17)}">${escaped(name)}</text>`,
      `  <rect class="${kind}" x="${String(labelWidth)}" y="${String(y)}" width="${length.toFixed(1)}" height="24" rx="3"/>`,
      `  <text class="${kind}" x="${(labelWidth + length + 8).toFixed(1)}" y="${String(y + 17)}">${value.toFixed(digits)}</text>`,
    ].join("\n");
  });
  const height = top + bars.length * rowHeight + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(width)} ${String(height)}" width="${String(width)}" height="${String(height)}" role="img" aria-label="${escaped(title)}">
  <style>
    text { font: 14px system-ui, sans-serif; fill: #757e88; }
    text.ours { fill: #2f7de8; font-weight: 600; }
    .title { font-size: 17px; font-weight: 600; }
    .subtitle { font-size: 12px; }
    .label { text-anchor: end; }
    rect.ours { fill: #2f7de8; }
    rect.other { fill: #9aa3ad; }
  </style>
  <text class="title" x="10" y="24">${escaped(title)}</text>
  <text class="subtitle" x="10" y="44">${escaped(subtitle)}</text>
${rows.join("\n")}
</svg>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
