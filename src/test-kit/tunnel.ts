import http from "node:http";
import net, { type Socket } from "node:net";
import type { TestContext } from "node:test";
import { listen } from "./loopback-server.js";

/** A proxy that tunnels by CONNECT and records the targets. */
export async function tunnel(t: TestContext): Promise<{ readonly url: string; readonly targets: readonly string[] }> {
  const targets: string[] = [];
  const server = http.createServer();
  server.on("connect", ({ url = "" }: http.IncomingMessage, near: Socket) => {
    targets.push(url);
    const { hostname, port } = new URL(`http://${url}`);
    const far = net.connect(Number(port), hostname, () => near.write("HTTP/1.1 200 OK\r\n\r\n"));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("error", () => to.destroy()).pipe(to);
    }
  });
  const { url } = await listen(t, server);
  return { url, targets };
}
