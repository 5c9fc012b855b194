import type { ReadStream, WriteStream } from "node:tty";

/** What the command has of the process that it runs in. */
export interface Io {
  readonly stdin: NodeJS.ReadableStream & Partial<Pick<ReadStream, "isTTY" | "setRawMode">>;
  readonly stdout: NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY">>;
  readonly stderr: NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY">>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts with an {@link Interrupted} on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** Somebody ended the command by a signal. */
export class Interrupted extends Error {
  /** What the process exits with: 128 and the number of the signal. */
  readonly exitCode: number;

  constructor(exitCode: number) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}

/** The command line is wrong; the message is one line. Nothing was sent. */
export class BadUsage extends Error {}

/** The command cannot do it, for a reason that is not etcd's; the message is one line. */
export class CommandFailed extends Error {}

/** Rejects with the signal's reason when it aborts. */
export function onceAborted(signal: AbortSignal): Promise<never> {
  const promise = new Promise<never>((_resolve, reject) => {
    const stop = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  promise.catch(() => undefined);
  return promise;
}
