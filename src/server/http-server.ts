import type { IncomingMessage, ServerResponse } from "node:http";
import { maxFormBytes } from "./form.js";
import type { HttpAnswer, HttpRequest } from "./messages.js";

/** Longest first request line of a plaintext connection that etcd reads, in bytes with its CRLF; it resets longer ones. */
const maxFirstLineBytes = 4096;

/** Longest headers that Go's server reads, in bytes: for `maxHeaderSize` of Node's. */
export const maxHeaderBytes = 1024 * 1024 + 4096;

/** Reads a request to its end. Of what is longer than a form may be the rest is dropped. */
export async function readRequest(incoming: IncomingMessage, signal: AbortSignal): Promise<HttpRequest> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of incoming as AsyncIterable<Buffer>) {
    if (length > maxFormBytes) continue;
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

/** Whether a request line is longer than the first one of a connection may be. */
export function isLineTooLong({ method = "", url = "", httpVersion }: IncomingMessage): boolean {
  return `${method} ${url} HTTP/${httpVersion}\r\n`.length > maxFirstLineBytes;
}

/** Sends the head of an answer, and its body if it is not a watch's. */
export function writeHead(response: ServerResponse, answer: HttpAnswer): void {
  for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value);
  response.writeHead(answer.status);
}

/** Sends an answer: short ones with their length, longer ones and watches in chunks, as Go's server does. */
export async function writeAnswer(response: ServerResponse, answer: HttpAnswer): Promise<void> {
  if (answer.lines !== undefined) {
    writeHead(response, answer);
    response.flushHeaders();
    await writeLines(response, answer.lines);
    return;
  }
  const bytes = Buffer.byteLength(answer.body);
  if (answer.headers["Connection"] === "close") {
    response.sendDate = false;
    response.removeHeader("transfer-encoding");
  }
  const isBare = bytes === 0 && response.req.method === "HEAD";
  if (answer.headers["Connection"] !== "close" && !isBare && bytes <= longestPlain && answer.status !== 204)
    response.setHeader("Content-Length", bytes);
  writeHead(response, answer);
  response.end(answer.body);
}

/** Go's server buffers so much before it sends an answer in chunks. */
const longestPlain = 2048;

/** Ends with the lines, or when the client goes away. */
async function writeLines(response: ServerResponse, lines: AsyncIterable<string>): Promise<void> {
  for await (const line of lines) {
    if (response.destroyed) return;
    if (!response.write(line)) await drained(response);
  }
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
