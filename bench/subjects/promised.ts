import type { Answer } from "./subject.js";

export type Callback = (error: Error | null | undefined, body?: Answer) => void;

/** For clients that call back. */
export function promised(call: (done: Callback) => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call((error, body) => {
      // node-etcd gives null for no error, etcdjs undefined
      if (error) reject(error);
      else resolve(body);
    });
  });
}
