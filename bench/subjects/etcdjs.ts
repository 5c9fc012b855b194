import { createRequire } from "node:module";
import { packagesFolder } from "../packages.js";
import { promised, type Callback } from "./promised.js";
import type { Answer, Subject } from "./subject.js";

type Next = (callback: WaitCallback) => void;
type WaitCallback = (error: Error | null, body: Answer | null, next: Next) => void;

interface Etcdjs {
  get(key: string, options: object, callback: Callback): void;
  set(key: string, value: string, callback: Callback): void;
  wait(key: string, options: object, callback: WaitCallback): void;
  destroy(): void;
}

export function etcdjs(url: string): Subject {
  const connect = createRequire(`${packagesFolder("etcdjs")}/`)("etcdjs") as (url: string) => Etcdjs;
  const client = connect(url);
  return {
    get: (key) =>
      promised((done) => {
        client.get(key, {}, done);
      }),
    put: (key, value) =>
      promised((done) => {
        client.set(key, value, done);
      }),
    list: (dir) =>
      promised((done) => {
        client.get(dir, { recursive: true }, done);
      }),
    watch: (key, afterIndex, onEvent) => {
      client.wait(key, afterIndex === 0 ? {} : { waitIndex: afterIndex + 1 }, function onResult(error, body, next) {
        if (error !== null || body === null) return;
        onEvent(body.node.value);
        next(onResult);
      });
    },
    close: () => {
      client.destroy();
    },
  };
}
