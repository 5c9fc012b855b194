// Turns the diagnostics channels of etcd2 into OpenTelemetry spans and metrics.
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, tracingChannel } from "node:diagnostics_channel";
import { context, SpanKind, SpanStatusCode, trace, type Span } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { Client, KeysAPI, type CallMessage } from "etcd2";

// a service has exporters of its own here, such as those for OTLP
const spans = new InMemorySpanExporter();
const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer("etcd2");
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: metrics });
const meter = new MeterProvider({ readers: [reader] }).getMeter("etcd2");

const durations = meter.createHistogram("db.client.operation.duration", { unit: "s" });
const switches = meter.createCounter("etcd2.endpoint.switches");

/** A span for each operation on a channel; one that begins inside of another is its child. */
const running = new AsyncLocalStorage<Span>();
function spansOf(name: string, channelName: string, kind: SpanKind): void {
  const channel = tracingChannel<Span, CallMessage>(channelName);
  const open = new WeakMap<CallMessage, { span: Span; startMs: number }>();
  channel.start.bindStore(running, (message) => {
    const parent = running.getStore();
    const parentContext = parent === undefined ? context.active() : trace.setSpan(context.active(), parent);
    const attributes = {
      "db.system.name": "etcd",
      "db.operation.name": message.kind ?? message.method,
      "url.path": message.path,
    };
    const span = tracer.startSpan(name, { kind, attributes }, parentContext);
    open.set(message, { span, startMs: performance.now() });
    return span;
  });
  channel.subscribe({
    start: () => undefined,
    end: () => undefined,
    asyncStart: () => undefined,
    error: () => undefined,
    asyncEnd: (message) => {
      const { span, startMs } = open.get(message) ?? {};
      if (span === undefined || startMs === undefined) return;
      if (message.endpoint !== undefined) span.setAttribute("server.address", message.endpoint);
      if (message.status !== undefined) span.setAttribute("http.response.status_code", message.status);
      if (message.error !== undefined)
        span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(message.error) });
      span.end();
      if (name === "etcd2.call") {
        durations.record((performance.now() - startMs) / 1_000, {
          "db.operation.name": message.kind ?? message.method,
        });
      }
    },
  });
}
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

spansOf("etcd2.call", "etcd2:call", SpanKind.CLIENT);
spansOf("etcd2.watch", "etcd2:watch", SpanKind.CLIENT);
spansOf("etcd2.attempt", "etcd2:attempt", SpanKind.CLIENT);
subscribe("etcd2:switch", () => {
  switches.add(1);
});

// some work; the first endpoint refuses connections, so that a call may take two attempts
const endpoints = (process.env["ETCD_ENDPOINTS"] ?? "http://127.0.0.1:2379").split(",");
await using client = new Client({ endpoints: ["http://127.0.0.1:1", ...endpoints] });
const keys = new KeysAPI(client);
const key = `/example-opentelemetry-${String(process.pid)}`;
await keys.set(key, "a secret");
await keys.get(key);
await keys.delete(key);

const finished = spans.getFinishedSpans();
for (const span of finished.filter(({ name }) => name === "etcd2.call")) {
  const id = span.spanContext().spanId;
  const children = finished.filter(({ parentSpanContext }) => parentSpanContext?.spanId === id);
  console.log(`span ${String(span.attributes["db.operation.name"])}: ${String(children.length)} attempts`);
}
await reader.forceFlush();
for (const { scopeMetrics } of metrics.getMetrics()) {
  for (const each of scopeMetrics.flatMap((scope) => scope.metrics)) {
    console.log(`metric ${each.descriptor.name}: ${String(each.dataPoints.length)} series`);
  }
}
await reader.shutdown();
