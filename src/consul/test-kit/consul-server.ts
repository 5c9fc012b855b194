import type { TestContext } from "node:test";
import { createConsulClient, type ConsulClient, type ConsulOptions } from "../index.js";
import { ConsulFront, forwardTo, type ConsulHandler } from "./consul-front.js";
import { startFakeConsul, type FakeConsulOptions } from "./fake-consul.js";

/** A fake or real Consul that no other test uses. */
export interface ConsulServer {
  readonly url: string;
  /** Responds to requests in this process. Absent: they go to `url`. */
  readonly handler?: ConsulHandler;
  stop(): Promise<void>;
}

/** Starts a Consul whose node is called node1. */
export type StartConsulServer = () => Promise<ConsulServer>;

/** Starts fake Consuls in this process. */
export function fakeServers(options: FakeConsulOptions = {}): StartConsulServer {
  return async () => {
    const fake = await startFakeConsul(options);
    return { url: fake.url, handler: fake.handler, stop: () => fake.close() };
  };
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
  const front = await ConsulFront.start(server.handler ?? forwardTo(server.url));
  const ends: (() => unknown)[] = [() => front.close(), () => server.stop()].reverse();
  const connect = (options: ConsulOptions = {}): ConsulClient => {
    const client = createConsulClient({ address: front.url, httpTimeoutMs, ...options });
    ends.push(() => client.close());
    return client;
  };
  t.after(async () => {
    for (const end of ends.reverse()) await end();
  });
  return { front, client: connect(), connect, defer: (end) => void ends.push(end) };
}
