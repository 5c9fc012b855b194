import type { Administered } from "../core/keys-store.js";

/** A refusal by the members or auth API: `{"message": ...}`. */
export class AdminError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** etcd's refusal if a change was not committed in time, or may not be made now. */
export function internalError(): AdminError {
  return new AdminError(500, "Internal Server Error");
}

/** Runs an admin call. An {@link AdminError} becomes its response. */
export async function administered(clusterId: string, call: () => Promise<Administered>): Promise<Administered> {
  try {
    return { clusterId, ...(await call()) };
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    // a caller without rights does not learn the cluster's id
    const known = error.status === 401 ? {} : { clusterId };
    return { status: error.status, json: { message: error.message }, ...known };
  }
}
