import type { TestContext } from "node:test";
import { createConsulClient, type ConsulClient, type ConsulOptions } from "../index.js";
import type { Exchange } from "../../http/exchange.js";
import { gotExchange } from "../../http/got/got-exchange.js";
import { MemoryProxy } from "../../test-kit/memory-proxy.js";
import { SuiteServer } from "../../test-kit/suite-server.js";
import { cuttable, TcpProxy, type Cuttable } from "../../test-kit/tcp-proxy.js";
import { forwardTo, httpDoor, memoryDoor } from "./consul-doors.js";
import { ConsulFront, type ConsulHandler, type OpenDoor } from "./consul-front.js";
import { createFakeConsul, type FakeConsulOptions } from "./fake-consul.js";

/** A fake or real Consul that no other test uses. */
export interface ConsulServer extends AsyncDisposable {
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
    const stop = async (): Promise<void> => {
      fake.close();
      await door.close();
    };
    return {
      url: door.url,
      handler: fake.handler,
      ...(door.transport !== undefined && { transport: door.transport }),
      stop,
      [Symbol.asyncDispose]: stop,
    };
  };
}

/** One Consul for all tests of a suite. */
export function consulOfSuite(start: StartConsulServer): SuiteServer<ConsulServer, ConsulClient> {
  return new SuiteServer(start, ({ url, transport }) => createConsulClient({ address: url, transport, httpTimeoutMs }));
}

/**
 * A client of its own for a test, and its connection to the server, which can be cut. `wrap` may watch what it sends.
 */
export async function cuttableClient(
  t: TestContext,
  { url, transport }: ConsulServer,
  wrap: (exchange: Exchange) => Exchange = (exchange) => exchange,
): Promise<{ readonly client: ConsulClient; readonly way: Cuttable }> {
  const way = transport === undefined ? await TcpProxy.start(url) : new MemoryProxy(transport);
  const [address, exchange] = way instanceof TcpProxy ? [way.url, gotExchange()] : [url, way.exchange];
  const client = createConsulClient({ address, transport: wrap(exchange), httpTimeoutMs });
  t.after(async () => {
    await client.close();
    await way.close();
  });
  return { client, way: cuttable(way) };
}

/** For clients of tests that are not about timeouts, in ms. */
const httpTimeoutMs = 60_000;

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
