import http from "node:http";
import { pollChain } from "./poll-chain.js";
import { formHeaders, listQuery, readQuery, type Answer, type Subject } from "./subject.js";

/** What a careful hand would write: keep-alive, the body gathered, JSON read, a status looked at; no limits, no abort, no failover. */
export function nodeHttp(url: string): Subject {
  const agent = new http.Agent({ keepAlive: true });
  const ask = (method: string, path: string, body?: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { ...formHeaders, "content-length": Buffer.byteLength(body) };
      const request = http.request(`${url}/v2/keys${path}`, { agent, method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          if ((response.statusCode ?? 0) >= 300) reject(new Error(`status ${String(response.statusCode)}`));
          else resolve(JSON.parse(Buffer.concat(chunks).toString()) as Answer);
        });
        response.on("error", reject);
      });
      request.on("error", reject);
      request.end(body);
    });
  return {
    get: (key) => ask("GET", `${key}?${readQuery}`),
    put: (key, value) => ask("PUT", key, `value=${encodeURIComponent(value)}`),
    list: (dir) => ask("GET", `${dir}?${listQuery}`),
    watch: (key, afterIndex, onEvent) => {
      void pollChain(afterIndex, onEvent, (waitIndex) => ask("GET", `${key}?wait=true&waitIndex=${String(waitIndex)}`));
    },
    close: () => {
      agent.destroy();
    },
  };
}
