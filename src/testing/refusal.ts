import type { Administered } from "../core/keys-store.js";

/** Members and auth say no: `{"message": ...}`. */
export class AdminError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What an admin call leads to; an {@link AdminError} is an answer, too. */
export async function administered(clusterId: string, call: () => Promise<Administered>): Promise<Administered> {
  try {
    return { clusterId, ...(await call()) };
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    // who has no right to ask is not told the cluster's id
    const known = error.status === 401 ? {} : { clusterId };
    return { status: error.status, json: { message: error.message }, ...known };
  }
}
