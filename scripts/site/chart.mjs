// node scripts/site/chart.mjs: draws docs/speed.svg from bench/RESULTS.md. `npm run bench` does it, too.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot, runMain, ScriptError } from "../run.mjs";

/** Which row of the table a bar is for, and whether it is ours. */
const bars = /** @type {const} */ ([
  ["node-etcd 7", false],
  ["etcdjs 2", false],
  ["etcd2 on got", true],
  ["node:http", false],
  ["etcd2 on undici", true],
  ["Go's client", false],
]);

/** What the rates are relative to. */
const baseline = "node:http";

const [width, left, barHeight, gap, top] = [720, 170, 26, 12, 84];

/**
 * The chart of the README: how fast a small key is read, as SVG. It has a background of its own, and follows the reader's
 * colour scheme.
 *
 * @param {string} results bench/RESULTS.md
 */
export function speedChart(results) {
  const section = results.split("\n## In short\n")[1] ?? "";
  const [, runOn = ""] = /in the same run\. (.*? cores)/.exec(section) ?? [];
  const lines = section.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const [names, rates] = ["better", "GET, 16 at once"].map((cell) => lines.find((cells) => cells.includes(cell)) ?? []);
  const rows = bars.map(([name, isOurs]) => {
    const value = name === baseline ? "1.00" : (rates?.[names?.indexOf(name) ?? -1] ?? "");
    if (!/^≈? ?\d+\.\d+$/.test(value)) throw new ScriptError(`bench/RESULTS.md has no rate of ${name} in short`);
    return { name, value, rate: Number(value.replace("≈", "")), isOurs };
  });
  const scale = (width - left - 80) / Math.max(...rows.map(({ rate }) => rate));
  const height = top + rows.length * (barHeight + gap) + 34;
  const drawn = rows.map(({ name, value, rate, isOurs }, i) => {
    const y = top + i * (barHeight + gap);
    const length = Math.round(rate * scale);
    return [
      `  <text x="${left - 12}" y="${y + 18}" text-anchor="end"${isOurs ? ' font-weight="bold"' : ""}>${name}</text>`,
      `  <rect class="${isOurs ? "ours" : "other"}" x="${left}" y="${y}" width="${length}" height="${barHeight}" rx="3"/>`,
      `  <text x="${left + length + 8}" y="${y + 18}">${value}</text>`,
    ].join("\n");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="15">
  <title id="title">GET of a small key, 16 at once: rate relative to node:http, higher is better. ${rows
    .map(({ name, value }) => `${name}: ${value}`)
    .join(", ")}</title>
  <style>
    .background { fill: #ffffff }
    text { fill: #1f2328 }
    .ours { fill: #0550ae }
    .other { fill: #59636e }
    @media (prefers-color-scheme: dark) {
      .background { fill: #0d1117 }
      text { fill: #e6edf3 }
      .ours { fill: #79c0ff }
      .other { fill: #9198a1 }
    }
  </style>
  <rect class="background" width="${width}" height="${height}" rx="8"/>
  <text x="24" y="34" font-size="18" font-weight="bold">Reading a small key, 16 requests at once</text>
  <text x="24" y="58">Requests per second relative to hand-written node:http (1.00). A longer bar is better.</text>
${drawn.join("\n")}
  <text x="24" y="${height - 14}" font-size="13">${runOn}, etcd on the same machine; medians of the rounds of one run</text>
</svg>
`;
}

/**
 * Draws docs/speed.svg.
 *
 * @param {string} [results]
 */
export function writeSpeedChart(results = readFileSync(join(projectRoot, "bench", "RESULTS.md"), "utf8")) {
  writeFileSync(join(projectRoot, "docs", "speed.svg"), speedChart(results));
}

runMain(import.meta.url, async () => writeSpeedChart());
