import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { DrivenResponse, DrivenPoll, DrivenRequest } from "./replay.js";

/** Sends requests to servers over real HTTP, byte for byte as specified. */
export class HttpDriver {
  readonly #urls: readonly string[];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  async request(member: number, request: DrivenRequest): Promise<DrivenResponse> {
    try {
      const response = await this.#send(member, request, request.fresh ? false : this.#agent);
      return { ...headOf(response), body: await textOf(response) };
    } catch (error) {
      return { error: String((error as { readonly code?: unknown }).code) };
    }
  }

  async open(member: number, request: DrivenRequest): Promise<DrivenPoll> {
    const agent = new Agent({ keepAlive: true });
    return new HttpPoll(await this.#send(member, request, agent));
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(
    member: number,
    { method, target, headers, body }: DrivenRequest,
    agent: Agent | false,
  ): Promise<IncomingMessage> {
    const { hostname, port } = new URL(this.#urls[member] ?? "");
    return new Promise((resolve, reject) => {
      const bytes = Buffer.from(body, "utf8");
      const length =
        bytes.length > 0 || method === "PUT" || method === "POST" ? { "content-length": bytes.length } : {};
      const options = { hostname, port, method, path: target, agent, headers: { ...headers, ...length } };
      httpRequest(options, resolve).on("error", reject).end(bytes);
    });
  }
}

class HttpPoll implements DrivenPoll {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly #response: IncomingMessage;
  #text = "";
  #ended = false;

  constructor(response: IncomingMessage) {
    const { status, headers } = headOf(response);
    this.status = status;
    this.headers = headers;
    this.#response = response;
    response.setEncoding("utf8");
    response.on("data", (text: string) => (this.#text += text));
    response.on("end", () => (this.#ended = true));
    response.on("error", () => (this.#ended = true));
  }

  async whole(): Promise<string> {
    await this.#until(() => this.#ended);
    return this.#text;
  }

  async line(): Promise<string> {
    await this.#until(() => this.#text.includes("\n"));
    const end = this.#text.indexOf("\n") + 1;
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end);
    return line;
  }

  async silent(): Promise<boolean> {
    await sleep(25);
    return this.#text === "" && !this.#ended;
  }

  close(): void {
    this.#response.destroy();
  }

  async #until(done: () => boolean): Promise<void> {
    for (let waited = 0; !done() && waited < 6_000; waited += 5) await sleep(5);
  }
}

function headOf({ statusCode = 0, headers }: IncomingMessage): {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
} {
  return { status: statusCode, headers: Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, String(v)])) };
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString();
}
