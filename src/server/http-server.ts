import type { IncomingMessage, ServerResponse } from "node:http";
import { maxFormBytes } from "./form.js";
import type { HttpResponse, HttpRequest } from "./messages.js";

/** The longest first request line that etcd reads on a plaintext connection, in bytes with its CRLF. With a longer one it resets the connection. */
const maxFirstLineBytes = 4096;

/** The longest headers that Go's server reads, in bytes: the value for Node's `maxHeaderSize`. */
export const maxHeaderBytes = 1024 * 1024 + 4096;

/** Bytes that may be in memory at once, shared by all requests of a server. */
export class ByteBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** The part of one request, empty at first. */
  share(): ByteShare {
    let taken = 0;
    return {
      take: (bytes) => {
        if (bytes > this.#left) throw new TooManyBytesError();
        this.#left -= bytes;
        taken += bytes;
      },
      release: () => {
        this.#left += taken;
        taken = 0;
      },
    };
  }
}

/** What one request holds of a {@link ByteBudget}. */
export interface ByteShare {
  /** Adds bytes. @throws {TooManyBytesError} all requests together would hold too many */
  readonly take: (bytes: number) => void;
  /** Gives all of them back. */
  readonly release: () => void;
}

/** The budget is used up. */
export class TooManyBytesError extends Error {}

/**
 * Reads a request to its end. Only as much of its body is kept as a form may have; the rest is read and dropped.
 *
 * @param share counts what is kept. Absent: it is not counted
 * @throws {TooManyBytesError} by `share`
 */
export async function readRequest(
  incoming: IncomingMessage,
  signal: AbortSignal,
  share?: ByteShare,
): Promise<HttpRequest> {
  const parts: Buffer[] = [];
  let length = 0;
  // not destroyed by leaving the loop: there is a response to send
  for await (const part of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (length > maxFormBytes) continue;
    share?.take(part.length);
    parts.push(part);
    length += part.length;
  }
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(incoming.headers))
    headers[name] = Array.isArray(value) ? value.join(", ") : value;
  return {
    method: incoming.method ?? "GET",
    target: incoming.url ?? "/",
    headers,
    body: parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts),
    signal,
  };
}

/** Whether a request line is too long for the first one of a connection. */
export function isLineTooLong({ method = "", url = "", httpVersion }: IncomingMessage): boolean {
  return `${method} ${url} HTTP/${httpVersion}\r\n`.length > maxFirstLineBytes;
}

/** Sends status and headers. */
export function writeHead(to: ServerResponse, response: HttpResponse): void {
  for (const [name, value] of Object.entries(response.headers)) to.setHeader(name, value);
  to.writeHead(response.status);
}

/**
 * Sends a response: short ones with their length, longer ones and watches in chunks, as Go's server does.
 *
 * @param stalledMs closes the connection of a client that reads nothing for so long, in ms. Absent or `Infinity`: never
 */
export async function writeResponse(to: ServerResponse, response: HttpResponse, stalledMs = Infinity): Promise<void> {
  const stalledLimit = stalledMs === Infinity ? 0 : stalledMs;
  if (response.lines !== undefined) {
    writeHead(to, response);
    to.flushHeaders();
    await writeLines(to, response.lines, stalledLimit);
    return;
  }
  const bytes = Buffer.byteLength(response.body);
  if (response.headers["Connection"] === "close") {
    to.sendDate = false;
    to.removeHeader("transfer-encoding");
  }
  const isBare = bytes === 0 && to.req.method === "HEAD";
  if (response.headers["Connection"] !== "close" && !isBare && bytes <= longestPlain && response.status !== 204)
    to.setHeader("Content-Length", bytes);
  writeHead(to, response);
  to.setTimeout(stalledLimit);
  to.end(response.body);
}

/** Go's server buffers this much, in bytes, before it sends a response in chunks. */
const longestPlain = 2048;

/** Ends with the lines, or when the client goes away. Only a client that has something to read can stall. */
async function writeLines(response: ServerResponse, lines: AsyncIterable<string>, stalledLimit: number): Promise<void> {
  response.setTimeout(0);
  for await (const line of lines) {
    if (response.destroyed) return;
    if (response.write(line)) continue;
    response.setTimeout(stalledLimit);
    await drained(response);
    response.setTimeout(0);
  }
  response.setTimeout(stalledLimit);
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}
