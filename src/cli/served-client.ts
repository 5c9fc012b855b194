import { ClusterError, type CallContext, type Client, type Credentials, type KeysStore } from "../core/index.js";
import { clientStore } from "../server/index.js";

/** The shortest time between two lines about failures, in ms: a cluster that comes and goes must not fill the log. */
const quietMs = 10_000;

export interface ServedClientOptions {
  /** The user for keys requests without credentials, as `guest` is in v2. Undefined: such requests have no user. */
  readonly guest: Credentials | undefined;
  /** Prints a line for the operator. */
  readonly say: (line: string) => void;
}

/** The store of `etcd2 serve`. It tells the operator when requests begin to fail, and when they succeed again. */
export function servedClient(client: Client, { guest, say }: ServedClientOptions): KeysStore {
  const store = clientStore(client);
  let isFailing = false;
  let saidMs = -Infinity;
  const told = async <T>(call: Promise<T>): Promise<T> => {
    try {
      const result = await call;
      if (isFailing) say("requests succeed again");
      isFailing = false;
      return result;
    } catch (error) {
      if (error instanceof ClusterError && !isFailing && performance.now() - saidMs >= quietMs) {
        isFailing = true;
        saidMs = performance.now();
        say(`requests fail: ${error.message.replace(/\s*[\r\n]+\s*/g, " ")}`);
      }
      throw error;
    }
  };
  const as = (context: CallContext): CallContext =>
    guest === undefined || context.credentials !== undefined ? context : { ...context, credentials: guest };
  const administer = store.administer?.bind(store);
  return {
    execute: (call, context) => told(store.execute(call, as(context))),
    watch: (call, context) => told(store.watch(call, as(context))),
    ...(administer !== undefined && { administer: (call, context) => told(administer(call, context)) }),
  };
}
