import type { Measured } from "./protocol.js";

/** Measures this process from now on, until what it returns is called with how long each operation took, in µs. */
export function startMeter(): (latencies: readonly number[]) => Measured {
  const cpu = process.cpuUsage();
  const beforeMs = performance.now();
  return (latencies) => {
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - beforeMs) / 1_000;
    const sorted = Float64Array.from(latencies).sort();
    const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
    return {
      operations: sorted.length,
      perSecond: sorted.length / seconds,
      p50: at(0.5),
      p99: at(0.99),
      cpuPerOperation: (user + system) / sorted.length,
      rss: process.memoryUsage.rss(),
    };
  };
}
