import type { TestContext } from "node:test";
import { createConsulClient, type ConsulClient, type ConsulOptions } from "../index.js";
import type { Exchange } from "../../http/exchange.js";
import { gotExchange } from "../../http/got/got-exchange.js";
import { MemoryProxy } from "../../test-kit/memory-proxy.js";
import { cuttable, TcpProxy, type Cuttable } from "../../test-kit/tcp-proxy.js";
import { forwardTo, httpDoor, memoryDoor } from "./consul-doors.js";
import { ConsulFront, type ConsulHandler, type OpenDoor } from "./consul-front.js";
import { createFakeConsul, type FakeConsulOptions } from "./fake-consul.js";

/** A fake or real Consul that no other test uses. */
export interface ConsulServer {
  /** Where it listens. */
  readonly url: string;
  /** Responds to requests in this process. Absent: they go to `url`. */
  readonly handler?: ConsulHandler;
  /** The transport for clients of a server without sockets. Absent: it has some. */
  readonly transport?: Exchange;
  stop(): Promise<void>;
}

/** Starts a Consul whose node is called node1. */
export type StartConsulServer = () => Promise<ConsulServer>;

/** Starts fake Consuls in this process that listen on 127.0.0.1. */
export function fakeServers(options: FakeConsulOptions = {}): StartConsulServer {
  return startWith(httpDoor, options);
}

/** Starts fake Consuls without sockets, for virtual time. */
export function memoryServers(options: FakeConsulOptions = {}): StartConsulServer {
  return startWith(memoryDoor, options);
}

function startWith(open: OpenDoor, options: FakeConsulOptions): StartConsulServer {
  return async () => {
    const fake = createFakeConsul(options);
    const door = await open(fake.handler);
    return {
      url: door.url,
      handler: fake.handler,
      ...(door.transport !== undefined && { transport: door.transport }),
      stop: async () => {
        fake.close();
        await door.close();
      },
    };
  };
}

/** A way to a server of its own that can be cut. */
export interface ConsulWay extends Cuttable {
  readonly url: string;
  readonly transport: Exchange;
  close(): Promise<void>;
}

export async function wayTo({ url, transport }: ConsulServer): Promise<ConsulWay> {
  if (transport === undefined) {
    const proxy = await TcpProxy.start(url);
    return { ...cuttable(proxy), url: proxy.url, transport: gotExchange(), close: () => proxy.close() };
  }
  const proxy = new MemoryProxy(transport);
  return { ...cuttable(proxy), url, transport: proxy.exchange, close: () => proxy.close() };
}

/** For clients of tests that are not about timeouts, in ms. */
export const httpTimeoutMs = 60_000;

export interface ConsulGround {
  readonly front: ConsulFront;
  /** A client that goes through the front. */
  readonly client: ConsulClient;
  /** Creates another client. */
  readonly connect: (options?: ConsulOptions) => ConsulClient;
  /** Calls at the end of the test, the last one first, before the clients are closed. */
  readonly defer: (end: () => unknown) => void;
}

/** A Consul with a front of its own, ended with the test. */
export async function consulFor(t: TestContext, start: StartConsulServer): Promise<ConsulGround> {
  const server = await start();
  const open = server.transport === undefined ? httpDoor : memoryDoor;
  const front = await ConsulFront.start(server.handler ?? forwardTo(server.url), open);
  const ends: (() => unknown)[] = [() => front.close(), () => server.stop()].reverse();
  const connect = (options: ConsulOptions = {}): ConsulClient => {
    const client = createConsulClient({ address: front.url, transport: front.transport, httpTimeoutMs, ...options });
    ends.push(() => client.close());
    return client;
  };
  t.after(async () => {
    for (const end of ends.reverse()) await end();
  });
  return { front, client: connect(), connect, defer: (end) => void ends.push(end) };
}
