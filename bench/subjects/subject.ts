/** What is compared: one way to talk to etcd, each in a process of its own. */
export interface Subject {
  /** Only the SDK is ever given a signal. */
  get(key: string, signal?: AbortSignal): Promise<unknown>;
  put(key: string, value: string): Promise<unknown>;
  list(dir: string): Promise<unknown>;
  /** Calls back with the value of each event after an index; 0 is from now on. Ends with `close`. */
  watch(key: string, afterIndex: number, onEvent: (value: string) => void): void;
  close(): unknown;
}

/** As far as the bench looks at an answer. */
export interface Answer {
  readonly node: { readonly value: string; readonly modifiedIndex: number };
}

export const formHeaders = { "content-type": "application/x-www-form-urlencoded" };
export const readQuery = "quorum=false&recursive=false&sorted=false";
export const listQuery = "quorum=false&recursive=true&sorted=false";
