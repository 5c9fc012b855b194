import assert from "node:assert/strict";
import net from "node:net";
import type { TestContext } from "node:test";
import { inspect } from "node:util";
import { listen } from "./loopback-server.js";
import type { Client } from "../core/client.js";
import type { ClientOptions } from "../core/client-options.js";
import { KeysAPI } from "../core/keys.js";
import { ClusterError, EndpointError } from "../util/errors.js";
import { clientOf, ScriptedServer, type Answer, type SeenRequest } from "./scripted-server.js";

/** Scripted servers and a client that tries them in order. */
export interface ScriptedCluster {
  readonly client: Client;
  readonly keys: KeysAPI;
  readonly server: (i: number) => ScriptedServer;
  /** The requests that the server with the given number received. */
  readonly seen: (i: number) => readonly SeenRequest[];
  /** How many requests each server received. */
  readonly counts: () => readonly number[];
}

/** Starts one server per script. Everything is closed when the test ends. */
export async function clusterOf(
  t: TestContext,
  scripts: readonly (readonly Answer[])[],
  options: Partial<ClientOptions> = {},
): Promise<ScriptedCluster> {
  const servers = await Promise.all(scripts.map((answers) => ScriptedServer.start(...answers)));
  const client = clientOf(servers, options);
  t.after(async () => {
    await client.close();
    await Promise.all(servers.map((server) => server.close()));
  });
  const server = (i: number): ScriptedServer => servers[i] ?? assert.fail(`there is no server ${String(i)}`);
  return {
    client,
    keys: new KeysAPI(client),
    server,
    seen: (i) => server(i).requests,
    counts: () => servers.map(({ requests }) => requests.length),
  };
}

/** Starts one server. It is closed when the test ends. */
export async function serverOf(t: TestContext, ...answers: readonly Answer[]): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(...answers);
  t.after(() => server.close());
  return server;
}

/** The error of the only attempt of a call that fails. */
export async function badAttempt(call: Promise<unknown>): Promise<EndpointError> {
  const { errors } = await rejection(call, ClusterError);
  assert.equal(errors.length, 1);
  assert.ok(errors[0] instanceof EndpointError);
  return errors[0];
}

/** The error that a promise rejects with, which must be of the given class. */
export async function rejection<T extends Error>(
  promise: Promise<unknown>,
  kind: abstract new (...args: never[]) => T,
): Promise<T> {
  const error = await settled(promise);
  assert.ok(error instanceof kind, `should have rejected with ${kind.name}, not settled with ${inspect(error)}`);
  return error;
}

/** The error that a promise rejects with, or the value it resolves to. */
export function settled(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}

/** A server that resets each connection as soon as it is accepted, without reading from it. */
export async function resettingServer(
  t: TestContext,
): Promise<{ readonly url: string; readonly connections: () => number }> {
  let connections = 0;
  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    connections++;
    socket.on("error", () => undefined);
    // in the next turn, so that the client, in the same process, has noticed its connection
    setImmediate(() => socket.resetAndDestroy());
  });
  const { url } = await listen(t, server);
  return { url, connections: () => connections };
}

/** A promise and the function that resolves it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}
