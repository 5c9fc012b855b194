import type { Endpoints, Service } from "../index.js";

/** Makes a service of `ns/name:port`; without a slash the namespace is "". */
export function service(text: string): Service {
  const { namespace, name, rest } = partsOf(text);
  return {
    metadata: { name, namespace },
    spec: { port: Number(rest[0] ?? 80), protocol: "TCP", sessionAffinity: "None" },
  };
}

/** Makes endpoints of `ns/name ip:port ip:port`. */
export function endpoints(text: string): Endpoints {
  const [id = "", ...addresses] = text.split(" ");
  const { namespace, name } = partsOf(id);
  return {
    metadata: { name, namespace },
    protocol: "TCP",
    endpoints: addresses.map((address) => {
      const [ip = "", port = ""] = address.split(":");
      return { ip, port: Number(port) };
    }),
  };
}

/** The reverse of {@link service}. */
export function showService({ metadata, spec }: Service): string {
  return `${metadata.namespace}/${metadata.name}:${String(spec.port)}`;
}

/** The reverse of {@link endpoints}. */
export function showEndpoints({ metadata, endpoints: addresses }: Endpoints): string {
  return [`${metadata.namespace}/${metadata.name}`, ...addresses.map(({ ip, port }) => `${ip}:${String(port)}`)].join(
    " ",
  );
}

/** A handler that records its calls as texts, and lets a test wait for one. */
export class Recorder<T> {
  readonly #show: (item: T) => string;
  readonly #calls: (readonly string[])[] = [];
  #wake: () => void = () => undefined;

  constructor(show: (item: T) => string) {
    this.#show = show;
  }

  readonly onUpdate = (items: readonly T[]): void => {
    this.#calls.push(items.map(this.#show));
    this.#wake();
  };

  get calls(): readonly (readonly string[])[] {
    return [...this.#calls];
  }

  get last(): readonly string[] | undefined {
    return this.#calls.at(-1);
  }

  /** Resolves when the last call was this one; rejects after `ms` with what it was. */
  async until(expected: readonly string[], ms = 15_000): Promise<void> {
    await this.when(
      (last) => JSON.stringify(last) === JSON.stringify(expected),
      `a last call with ${JSON.stringify(expected)}`,
      ms,
    );
  }

  async when(
    isSo: (last: readonly string[] | undefined, calls: number) => boolean,
    what: string,
    ms = 15_000,
  ): Promise<void> {
    const deadline = performance.now() + ms;
    while (!isSo(this.last, this.#calls.length)) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`waited ${String(ms)} ms for ${what}, got ${JSON.stringify(this.#calls)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

function partsOf(text: string): {
  readonly namespace: string;
  readonly name: string;
  readonly rest: readonly string[];
} {
  const [id = "", ...rest] = text.split(":");
  const [namespace, name] = id.includes("/") ? id.split("/") : ["", id];
  return { namespace: namespace ?? "", name: name ?? "", rest };
}
