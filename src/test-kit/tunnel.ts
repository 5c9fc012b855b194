import { once } from "node:events";
import http from "node:http";
import net, { type AddressInfo, type Socket } from "node:net";
import type { TestContext } from "node:test";

/** A proxy that tunnels by CONNECT and records the targets. */
export async function tunnel(t: TestContext): Promise<{ readonly url: string; readonly targets: readonly string[] }> {
  const targets: string[] = [];
  const sockets: Socket[] = [];
  const server = http.createServer();
  server.on("connect", ({ url = "" }: http.IncomingMessage, near: Socket) => {
    targets.push(url);
    const { hostname, port } = new URL(`http://${url}`);
    const far = net.connect(Number(port), hostname, () => near.write("HTTP/1.1 200 OK\r\n\r\n"));
    sockets.push(near, far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("error", () => to.destroy()).pipe(to);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, targets };
}
