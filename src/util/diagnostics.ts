import type { Channel, TracingChannel } from "node:diagnostics_channel";

/** A call of a client, or a long poll of a watcher: from `Client.send` to its end, however many attempts that takes. */
export interface CallMessage {
  /** The HTTP method. */
  readonly method: string;
  /** Without query and endpoint. */
  readonly path: string;
  /** The operation, such as "get" or "compareAndSwap". Absent: it has none. */
  readonly kind?: string | undefined;
  /** At the end: the status of the response. Absent if there was none. */
  status?: number;
  /** At the end: the endpoint that responded. */
  endpoint?: string | undefined;
  /** At the end: why it rejected. */
  error?: unknown;
}

/** One request to one endpoint. */
export interface AttemptMessage extends CallMessage {
  /** The endpoint that the request is sent to. */
  endpoint: string;
}

/**
 * A mirror, or a config source on an API, reads everything: the first time, and whenever it cannot go on from events.
 * What is built on mirrors counts, too: subscriptions and agents of `etcd2/discovery`, and config sources on etcd. A
 * list that fails and is retried counts once.
 */
export interface ListMessage {
  /** The key that is followed; "services" or "endpoints" for a config source on an API. */
  readonly key: string;
  /** Whether it had been read before. */
  readonly again: boolean;
  /** At the end: the index of etcd, or the version of the API, that was read. Absent if the version is not a number. */
  index?: number;
  /** At the end: why it rejected. */
  error?: unknown;
}

/** The client moved its pin: calls go to another endpoint first from now on. */
export interface SwitchMessage {
  /** The endpoint that calls went to first until now. */
  readonly from: string;
  /** The endpoint that calls go to first from now on. */
  readonly to: string;
}

/** A heartbeat: of a session of an election or a lock, or of a registration. */
export interface HeartbeatMessage {
  /** The layer that sends it. */
  readonly room: "election" | "discovery" | "consul";
  /** What it keeps: a key, or the id of an instance. */
  readonly key: string;
  /** At the end: why it failed. */
  error?: unknown;
}

/** A term of a leader, or the time that a lock is held: from the moment it is won until it is over. */
export interface TermMessage {
  /** The key of the election or the lock. */
  readonly key: string;
  /** Grows with each term. */
  readonly fencingToken: string;
  /** At the end: why it ended, if not as it should. */
  error?: unknown;
}

type Tracing<Message extends object> = TracingChannel<unknown, Message>;

interface Diagnostics {
  readonly call: Tracing<CallMessage>;
  readonly watch: Tracing<CallMessage>;
  readonly attempt: Tracing<AttemptMessage>;
  readonly list: Tracing<ListMessage>;
  readonly heartbeat: Tracing<HeartbeatMessage>;
  readonly term: Tracing<TermMessage>;
  readonly switch: Channel;
}

/**
 * What the package does, on channels of `node:diagnostics_channel`. Without subscribers, no message is
 * built. Payloads are plain objects without values, passwords and headers.
 *
 * All but `switch` are tracing channels: `tracingChannel("etcd2:call").subscribe({ start, end, asyncStart, asyncEnd, error })`.
 * The object is the same for all events of one operation, and gets its result before `asyncStart`.
 *
 * The channels are created on first use. A program that has subscribed earlier, by name, gets the same channels.
 */
export function diagnostics(): Diagnostics {
  return (made ??= makeChannels());
}

let made: Diagnostics | undefined;

function makeChannels(): Diagnostics {
  // not imported: as a module it would take a tenth of this package's import time
  const { channel, tracingChannel } = process.getBuiltinModule("node:diagnostics_channel");
  return {
    call: tracingChannel("etcd2:call"),
    watch: tracingChannel("etcd2:watch"),
    attempt: tracingChannel("etcd2:attempt"),
    list: tracingChannel("etcd2:list"),
    heartbeat: tracingChannel("etcd2:heartbeat"),
    term: tracingChannel("etcd2:term"),
    switch: channel("etcd2:switch"),
  };
}

/** Whether an event of this channel has a subscriber. */
export function isTraced<Message extends object>({
  start,
  end,
  asyncStart,
  asyncEnd,
  error,
}: Tracing<Message>): boolean {
  return (
    start.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers
  );
}

/**
 * Runs an operation with its events. Callers on hot paths check {@link isTraced} first, which saves the closures.
 *
 * @param result adds the result to the message
 */
export function trace<T, Message extends { error?: unknown }>(
  tracing: Tracing<Message>,
  message: Message,
  run: () => Promise<T>,
  result?: (message: Message, value: T) => void,
): Promise<T> {
  if (!isTraced(tracing)) return run();
  const { start, end, asyncStart, asyncEnd, error: failed } = tracing;
  return start.runStores(message, () => {
    const running = run();
    end.publish(message);
    return running.then(
      (value) => {
        result?.(message, value);
        asyncStart.publish(message);
        asyncEnd.publish(message);
        return value;
      },
      (error: unknown) => {
        message.error = error;
        failed.publish(message);
        asyncStart.publish(message);
        asyncEnd.publish(message);
        throw error;
      },
    );
  });
}

/** Publishes the beginning of something that is not one function. @returns publishes its end */
export function traceOpen<Message extends { error?: unknown }>(
  { start, end, asyncStart, asyncEnd, error: failed }: Tracing<Message>,
  message: Message,
): (error?: unknown) => void {
  start.publish(message);
  end.publish(message);
  return (error) => {
    if (error !== undefined) {
      message.error = error;
      failed.publish(message);
    }
    asyncStart.publish(message);
    asyncEnd.publish(message);
  };
}
