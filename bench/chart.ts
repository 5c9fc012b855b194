const width = 720;
const labelWidth = 170;
const rowHeight = 34;
const top = 62;

/** Bars side by side, as an SVG that reads on light and on dark pages. Ours are the strong ones. */
export function barChart(title: string, subtitle: string, bars: readonly (readonly [name: string, value: number])[]): string {
  const most = Math.max(...bars.map(([, value]) => value));
  const scale = (width - labelWidth - 70) / most;
  const rows = bars.map(([name, value], i) => {
    const y = top + i * rowHeight;
    const length = Math.max(1, value * scale);
    const kind = name.startsWith("etcd2") ? "ours" : "other";
    return [
      `  <text class="label" x="${String(labelWidth - 10)}" y="${String(y + 17)}">${escaped(name)}</text>`,
      `  <rect class="${kind}" x="${String(labelWidth)}" y="${String(y)}" width="${length.toFixed(1)}" height="24" rx="3"/>`,
      `  <text class="value" x="${(labelWidth + length + 8).toFixed(1)}" y="${String(y + 17)}">${value.toFixed(2)}</text>`,
    ].join("\n");
  });
  const height = top + bars.length * rowHeight + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(width)} ${String(height)}" width="${String(width)}" height="${String(height)}" role="img" aria-label="${escaped(title)}">
  <style>
    text { font: 14px system-ui, sans-serif; fill: #24292f; }
    .title { font-size: 17px; font-weight: 600; }
    .subtitle { font-size: 12px; opacity: 0.7; }
    .label { text-anchor: end; }
    .ours { fill: #2f6feb; }
    .other { fill: #8c959f; }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .ours { fill: #58a6ff; } .other { fill: #6e7681; } }
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
