import type { WatchCall } from "../core/call.js";
import type { Done, KeysWatch, Place, Refused } from "../core/keys-store.js";
import { EndpointError } from "../util/errors.js";
import { abortable, onAbort } from "../util/signals.js";
import { GatewayError, grpcCode } from "./gateway.js";
import { isHiddenBelow, type KeyRange } from "./layout.js";
import { nowhere, placeOf, refused } from "./nodes.js";
import type { ResolvedV3Options } from "./options.js";
import type { Session } from "./session.js";
import { indexOfMember, isCompacted, latestIndex, positionOf, type MemberPosition } from "./watch-position.js";
import { WatchStream } from "./watch-stream.js";

/** A poll of one endpoint. */
export interface Poll {
  readonly call: WatchCall;
  /** The user of the watch: streams are shared only by watches of one user. */
  readonly user: string;
  /** Ends the wait for the watch to be set up. */
  readonly signal: AbortSignal | undefined;
  /** Longest silence before the poll counts as stuck, in ms. */
  readonly idleMs: number;
}

interface Entry {
  readonly stream: WatchStream;
  readonly member: MemberPosition;
  readonly readers: Set<Reader>;
  /** When the last reader left, by `performance.now()`. */
  leftMs: number;
  /** Runs while there is no reader. */
  timer: NodeJS.Timeout | undefined;
}

/** The watch streams of one endpoint. Polls are readers of a stream; one that ends keeps it for the next. */
export class WatchHub {
  readonly #options: ResolvedV3Options;
  readonly #entries = new Map<string, Set<Entry>>();
  /** How many streams of a name in a row were not set up in time. */
  readonly #late = new Map<string, number>();

  constructor(options: ResolvedV3Options) {
    this.#options = options;
  }

  /**
   * Resolves when the server has set up the watch.
   *
   * @param session without limits and without the poll's signal, since the stream outlives the poll
   * @throws {WatchDeniedError | GatewayError | EndpointError | ResponseError}
   * @throws `signal.reason` when aborted
   */
  async open(session: Session, { call, user, signal, idleMs }: Poll): Promise<KeysWatch | Refused> {
    const range = rangeOf(session, call);
    const from = startOf(call);
    const { entry, isNew } = this.#join(session, `${user} ${range.key} ${range.rangeEnd ?? ""}`, range, from);
    const reader = new Reader(entry, (kept) => {
      this.#leave(entry, kept);
    });
    try {
      const header = await abortable(entry.stream.created, signal);
      const index =
        from === undefined
          ? await latestIndex(session, entry, range, signal)
          : await indexOfMember(session, entry, range, isNew ? 0 : Number(from), signal);
      const place = placeOf({ ...header, revision: index });
      reader.begin(place, from === undefined ? index + 1 : Number(from), accepts(call), idleMs);
      // the server confirms a watch before it checks that its history is still there
      if (
        isNew &&
        from !== undefined &&
        Number(from) <= header.revision &&
        (await isCompacted(session, range, from, signal))
      ) {
        await abortable(entry.stream.ended, signal);
        const refusal = await reader.next(signal);
        reader.close();
        if (refusal !== undefined && "errorCode" in refusal) return refusal;
      }
      return Object.assign(reader, place);
    } catch (error) {
      reader.close();
      // a stream that ends before it is set up, because its server shuts down, is like one that ends later
      throw error instanceof GatewayError && isGoing(error) ? endedEarly(session, error) : error;
    }
  }

  /** Ends all streams. */
  close(): void {
    for (const entries of this.#entries.values()) for (const { stream } of entries) stream.close();
  }

  #join(
    session: Session,
    name: string,
    range: KeyRange,
    from: string | undefined,
  ): { readonly entry: Entry; readonly isNew: boolean } {
    let entries = this.#entries.get(name);
    if (entries === undefined) {
      entries = new Set();
      this.#entries.set(name, entries);
    }
    for (const entry of entries) {
      if (!entry.stream.reachesBack(from === undefined ? Infinity : Number(from))) continue;
      clearTimeout(entry.timer);
      entry.stream.hold(true);
      return { entry, isNew: false };
    }
    const streams = entries;
    const late = this.#late.get(name) ?? 0;
    const stream = new WatchStream(session, {
      range,
      start: from,
      // a server that needs longer to read its history would never be waited for
      startTimeoutMs: this.#options.watchStartTimeoutMs * 2 ** late,
      mayForget: (index) =>
        entry.readers.size === 0
          ? performance.now() - entry.leftMs > returnMs
          : [...entry.readers].every((reader) => reader.position > index),
      onOverflow: () => {
        if (entry.readers.size === 0) entry.stream.close();
      },
      onEnd: () => {
        clearTimeout(entry.timer);
        streams.delete(entry);
        if (streams.size === 0 && this.#entries.get(name) === streams) this.#entries.delete(name);
      },
    });
    stream.created.then(
      () => this.#late.delete(name),
      (error: unknown) => {
        if (isLate(error)) this.#late.set(name, Math.min(late + 1, maxLate));
      },
    );
    const member = positionOf(stream, session);
    const entry: Entry = { stream, member, readers: new Set(), leftMs: performance.now(), timer: undefined };
    streams.add(entry);
    return { entry, isNew: true };
  }

  #leave(entry: Entry, isKept: boolean): void {
    if (entry.readers.size > 0) return;
    entry.leftMs = performance.now();
    if (!isKept || this.#options.keepStreamsMs === 0) {
      entry.stream.close();
      return;
    }
    entry.stream.hold(false);
    entry.timer = setTimeout(() => {
      entry.stream.close();
    }, this.#options.keepStreamsMs);
    entry.timer.unref();
  }
}

/** How long a watcher that catches up may take from one poll to the next, in ms, without losing what the stream has read meanwhile. */
const returnMs = 1_000;

/** The time limit for setting up a watch doubles with each failure, up to 16 times what the user gave. */
const maxLate = 4;

function isLate(error: unknown): boolean {
  return error instanceof EndpointError && error.code === "ERR_HEADER_TIMEOUT";
}

/** Why a poll ends that has heard nothing for too long. */
const silence = Symbol("silence");

/** One poll at a stream. */
class Reader implements Pick<KeysWatch, "next" | "close"> {
  readonly #entry: Entry;
  readonly #leave: (isKept: boolean) => void;
  #place = nowhere;
  #index = 0;
  #accepts: (event: Done) => boolean = () => true;
  #idleMs = Infinity;
  #hasLeft = false;
  #hasHeard = false;

  constructor(entry: Entry, leave: (isKept: boolean) => void) {
    this.#entry = entry;
    this.#leave = leave;
    entry.readers.add(this);
  }

  /** The first index that it has not read; 0 before it begins. */
  get position(): number {
    return this.#index;
  }

  begin(place: Place, index: number, accepts: (event: Done) => boolean, idleMs: number): void {
    this.#place = place;
    this.#index = index;
    this.#accepts = accepts;
    this.#idleMs = idleMs;
  }

  async next(signal?: AbortSignal): Promise<readonly Done[] | Refused | undefined> {
    const { stream } = this.#entry;
    const controller = new AbortController();
    const off = onAbort(signal, (reason) => {
      controller.abort(reason);
    });
    const timer =
      this.#idleMs === Infinity
        ? undefined
        : setTimeout(() => {
            controller.abort(silence);
          }, this.#idleMs);
    try {
      const events = await stream.next(this.#index, this.#accepts, controller.signal);
      if (events === undefined) return this.#whyOver();
      this.#hasHeard = true;
      this.#index = (events[0]?.index ?? this.#index) + 1;
      return events;
    } catch (error) {
      if (error !== silence) throw error;
      // stuck, or nothing has happened: a new stream will show which
      stream.close();
      return undefined;
    } finally {
      clearTimeout(timer);
      off();
    }
  }

  /** A refusal if what this poll asked for was compacted; undefined if the stream just ended. */
  #whyOver(): Refused | undefined {
    const { compacted } = this.#entry.stream;
    if (compacted === undefined || this.#index >= compacted) return undefined;
    const range = `[${String(compacted)}/${String(this.#index)}]`;
    return refused(this.#place, "eventIndexCleared", `the requested history has been cleared ${range}`);
  }

  /** The stream is kept for the next poll if this one ended with an event. */
  close(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#entry.readers.delete(this);
    this.#leave(this.#hasHeard);
  }
}

/** Whether v2 would report an event to this watcher. */
function accepts({ key, recursive }: WatchCall): (event: Done) => boolean {
  const below = key === "/" ? "/" : `${key}/`;
  return ({ node }) => {
    const changed = node?.key ?? "/";
    if (changed === key) return true;
    return recursive && changed.startsWith(below) && !isHiddenBelow(key, changed);
  };
}

/**
 * The range of keys to watch for a key: itself, its marker, and with `recursive` all below it. Other keys that lie between
 * them are filtered out.
 */
function rangeOf({ layout, identity }: Session, { key, recursive }: WatchCall): KeyRange {
  const below = layout.below(key);
  if (key === "/") return recursive ? below : { key: layout.marker(key) };
  const file = layout.file(key);
  // a user who may read only what is below a directory, or only the file, gets the events of that part
  return recursive
    ? identity.rights.firstReadable({ key: file, rangeEnd: below.rangeEnd }, below)
    : identity.rights.firstReadable({ key: file, rangeEnd: `${layout.marker(key)}\0` }, { key: file });
}

/** Above 2^63-1 there are no revisions: a watch from there waits for ever, as v2's does. */
function startOf({ waitIndex }: WatchCall): string | undefined {
  if (waitIndex === "0") return undefined;
  const index = BigInt(waitIndex);
  return String(index < maxRevision ? index : maxRevision);
}

const maxRevision = 2n ** 63n - 1n;

function isGoing({ code }: GatewayError): boolean {
  return code === grpcCode.unavailable || code === grpcCode.canceled;
}

function endedEarly({ gateway }: Session, cause: GatewayError): EndpointError {
  const endpoint = gateway.base.url;
  return new EndpointError("ERR_SERVER", `endpoint ${endpoint} refused a watch: ${cause.message}`, {
    endpoint,
    outcome: "notApplied",
    status: cause.status,
  });
}
