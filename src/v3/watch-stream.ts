import { StringDecoder } from "node:string_decoder";
import type { ConnectionHold } from "../http/exchange.js";
import type { Done } from "../core/keys-store.js";
import { deferred, noop } from "../util/deferred.js";
import { Notifier } from "../util/notifier.js";
import { headerOf, int64, malformed, objectOf, type Header, type Json } from "./decode.js";
import { EventLookUps } from "./event-look-ups.js";
import { byRevision, changesIn, eventsOf, type Change } from "./events.js";
import { jsonOf, refusalIn } from "./gateway.js";
import { base64, type KeyRange } from "./layout.js";
import { placeOf } from "./nodes.js";
import type { Session } from "./session.js";
import { whenSilent } from "./silence-timer.js";
import { endedEarly, notConfirmed } from "./watch-errors.js";

/** The server refused the watch: the user may not read all of the range, or the token is not good. */
export class WatchDeniedError extends Error {}

/** What to watch, and what the owner of the stream wants to know. */
export interface WatchStreamOptions {
  readonly range: KeyRange;
  /** First revision of interest. Undefined: from now on. */
  readonly start: string | undefined;
  /** Longest wait for the watch to be set up, in ms; `Infinity` for none. */
  readonly startTimeoutMs: number;
  /** Whether the events up to an index are no longer needed. Called when there are too many of them. */
  readonly mayForget: (index: number) => boolean;
  /** Called when it begins to forget events. */
  readonly onOverflow: () => void;
  /** Called once, when it is over. */
  readonly onEnd: () => void;
}

/** How much a stream remembers for polls that come back: as many events as v2 keeps, or so much of the stream. */
const maxEvents = 1_000;
const maxBytes = 8 * 2 ** 20;

/**
 * One watch of the v3 API: a response that is never complete, with one JSON message a line. It remembers what it has read
 * for a while, so that the poll after this one, and other readers of the same range, need no stream of their own.
 */
export class WatchStream {
  /** Resolves when the server has set up the watch. */
  readonly created: Promise<Header>;
  /** Resolves when the stream is over. */
  readonly ended: Promise<void>;
  /** Aborts when the stream is over, whatever ended it. */
  readonly #controller = new AbortController();
  readonly #created = deferred<Header>();
  readonly #news = new Notifier();
  readonly #session: Session;
  readonly #events: { readonly index: number; readonly events: readonly Done[]; readonly bytes: number }[] = [];
  readonly #decoder = new StringDecoder("utf8");
  readonly #lookUps: EventLookUps;
  /** Until the response ends: then the connection may serve another request. */
  #connection: ConnectionHold | undefined;
  #isHeld = true;
  #partial = "";
  #fragments: Change[] = [];
  /** Events are remembered one after the other, though what they need is looked up side by side. */
  #working: Promise<void> = Promise.resolve();
  #bytes = 0;
  #oldest = Infinity;
  #head = 0;
  #compacted: number | undefined;
  #isOver = false;
  readonly #mayForget: (index: number) => boolean;
  readonly #onOverflow: () => void;
  readonly #onEnd: () => void;

  constructor(session: Session, { range, start, startTimeoutMs, mayForget, onOverflow, onEnd }: WatchStreamOptions) {
    this.#session = session;
    this.#lookUps = new EventLookUps(session, range, this.#controller.signal);
    this.#mayForget = mayForget;
    this.#onOverflow = onOverflow;
    this.#onEnd = onEnd;
    if (start !== undefined) this.#oldest = Math.min(Number(start), Number.MAX_SAFE_INTEGER);
    this.created = this.#created.promise;
    this.created.catch(noop);
    this.ended = this.#run(range, start, startTimeoutMs);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The first index whose events still exist, if those that were asked for are gone; the stream has ended then. */
  get compacted(): number | undefined {
    return this.#compacted;
  }

  /** The index up to which everything was read; 0 until the watch is set up. */
  get head(): number {
    return this.#head;
  }

  /** Whether it begins at the server's current revision, which is not known before the watch is set up. */
  get isStarting(): boolean {
    return this.#oldest === Infinity && !this.#isOver;
  }

  /** Whether all events from this index on are remembered, or still to come. */
  reachesBack(index: number): boolean {
    return !this.#isOver && index >= this.#oldest;
  }

  /** Sets whether the connection keeps the process alive. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (isHeld) this.#connection?.ref();
    else this.#connection?.unref();
  }

  /**
   * The events of the first index from `index` on of which `accepts` takes one. Undefined when the stream is over.
   *
   * @throws `signal.reason` when aborted
   */
  async next(
    index: number,
    accepts: (event: Done) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<readonly Done[] | undefined> {
    let from = index;
    for (;;) {
      for (const each of this.#events) {
        if (each.index < from) continue;
        from = each.index + 1;
        const wanted = each.events.filter(accepts);
        if (wanted.length > 0) return wanted;
      }
      if (this.#isOver) return undefined;
      // it no longer has all events that this reader needs
      if (from < this.#oldest) return undefined;
      await this.#news.wait(signal);
    }
  }

  close(): void {
    this.#controller.abort();
  }

  async #run(range: KeyRange, start: string | undefined, startTimeoutMs: number): Promise<void> {
    const { gateway, identity } = this.#session;
    const stopTimer = whenSilent(startTimeoutMs, () => {
      this.#fail(notConfirmed(gateway.base.url, startTimeoutMs));
    });
    this.created.then(stopTimer, stopTimer);
    const create = {
      key: base64(range.key),
      ...(range.rangeEnd !== undefined && { range_end: base64(range.rangeEnd) }),
      ...(start !== undefined && { start_revision: start }),
      prev_kv: true,
      fragment: true,
    };
    try {
      const raw = await gateway.send(
        "/v3/watch",
        { create_request: create },
        {
          signal: this.#controller.signal,
          token: identity.token,
          readOnly: true,
          note: `watch ${range.key}`,
          stream: {
            longPoll: true,
            onHeaders: (_head, connection) => {
              this.#connection = connection;
              this.hold(this.#isHeld);
            },
            onPart: (part) => this.#read(part),
          },
        },
      );
      this.#connection = undefined;
      await this.#working;
      if (raw.status !== 200) this.#fail(gateway.refusal(raw, true));
      else this.#fail(endedEarly(gateway.base.url));
    } catch (error) {
      this.#connection = undefined;
      await this.#working;
      this.#fail(error);
    } finally {
      stopTimer();
    }
  }

  /** Takes a part of the body. True ends the stream. */
  #read(part: Uint8Array): boolean {
    const lines = (
      this.#partial + this.#decoder.write(Buffer.from(part.buffer, part.byteOffset, part.byteLength))
    ).split("\n");
    this.#partial = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "" || this.#isOver) continue;
      try {
        this.#take(line);
      } catch (error) {
        this.#inOrder(() => {
          this.#fail(error);
        });
      }
    }
    return false;
  }

  /** Begins to work on a line: what its events need is looked up at once, and they are remembered when all before them are. */
  #take(line: string): void {
    const json = jsonOf(line);
    const refusal = refusalIn(json, 200, true);
    if (refusal !== undefined) throw refusal;
    if (json === undefined) throw malformed("a line of a watch is not JSON");
    const result = objectOf(json, "result");
    const header = headerOf(result);
    this.#session.view.see(header);
    if (result["canceled"] === true) {
      this.#inOrder(() => {
        this.#cancel(result, header);
      });
      return;
    }
    if (result["created"] === true) {
      this.#head = header.revision;
      if (this.isStarting) this.#oldest = header.revision + 1;
      this.#created.resolve(header);
    }
    this.#fragments.push(...changesIn(result));
    if (result["fragment"] === true) return;
    const changes = this.#fragments;
    this.#fragments = [];
    const place = placeOf(header);
    for (const [index, group] of byRevision(changes)) {
      const bytes = (line.length / changes.length) * group.length;
      const told = eventsOf(this.#session.layout, { ...place, index }, group, this.#lookUps);
      this.#inOrder(async () => {
        this.#remember(index, await told, bytes);
      });
    }
  }

  /** Does the next thing when all before it are done, unless the stream is over by then. */
  #inOrder(work: () => void | Promise<void>): void {
    this.#working = this.#working.then(async () => {
      try {
        if (!this.#isOver) await work();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  #remember(index: number, events: readonly Done[], bytes: number): void {
    this.#events.push({ index, events, bytes });
    this.#bytes += bytes;
    this.#head = Math.max(this.#head, index);
    while (this.#events.length > maxEvents || (this.#bytes > maxBytes && this.#events.length > 1)) {
      const [oldest] = this.#events;
      if (oldest === undefined || !this.#mayForget(oldest.index)) break;
      this.#events.shift();
      this.#bytes -= oldest.bytes;
      this.#oldest = oldest.index + 1;
      this.#onOverflow();
    }
    this.#news.notify();
  }

  #cancel(result: Json, header: Header): void {
    const oldest = Number(int64(result, "compact_revision"));
    if (oldest > 0) {
      this.#compacted = oldest;
      this.#created.resolve(header);
      this.#end();
      return;
    }
    this.#fail(new WatchDeniedError());
  }

  #fail(error: unknown): void {
    this.#created.reject(error);
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#controller.abort();
    this.#onEnd();
    this.#news.notify();
  }
}
