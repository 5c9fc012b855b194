import type { ReadStream, WriteStream } from "node:tty";

/** The parts of the process that a command uses. */
export interface Io {
  readonly stdin: NodeJS.ReadableStream & Partial<Pick<ReadStream, "isTTY" | "setRawMode">>;
  readonly stdout: NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY">>;
  readonly stderr: NodeJS.WritableStream & Partial<Pick<WriteStream, "isTTY">>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts with an {@link Interrupted} on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** A signal ended the command. */
export class Interrupted extends Error {
  /** The exit code of the process: 128 plus the number of the signal. */
  readonly exitCode: number;

  constructor(exitCode: number) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}

/** The command line is wrong, and nothing was sent. The message is one line. */
export class BadUsage extends Error {}

/** The command itself failed, not a request to etcd. The message is one line. */
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
