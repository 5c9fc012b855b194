/** etcd's own numbers for why it refused, as servers 2.0 to 3.5 send them; {@link EtcdError.errorCode} is one of them. */
export const EtcdErrorCode = {
  /** The key, or a directory above it, does not exist or has expired. */
  keyNotFound: 100,
  /** The key has another value or index than `prevValue` or `prevIndex`. */
  compareFailed: 101,
  /** The key is a directory, and the call is for files. */
  notFile: 102,
  /** Something above the key is a file. */
  notDir: 104,
  /** The key exists already. */
  nodeExist: 105,
  /** The root cannot be written. */
  rootReadOnly: 107,
  /** The directory is not empty: delete it with `recursive`. */
  dirNotEmpty: 108,
  /** The user may not do that, or the credentials are wrong. */
  unauthorized: 110,
  /** The request has an empty `prevValue`. */
  prevValueRequired: 201,
  /** The request has a TTL that is not a number. */
  ttlNaN: 202,
  /** The request has an index that is not a number. */
  indexNaN: 203,
  /** The request has a field with a wrong value. */
  invalidField: 209,
  /** The request has a form that cannot be read. */
  invalidForm: 210,
  /** A refresh must not bring a value. */
  refreshValue: 211,
  /** A refresh needs a TTL. */
  refreshTtlRequired: 212,
  /** Raft refused the proposal, or it timed out: the write may or may not be applied. */
  raftInternal: 300,
  /** The cluster is electing a leader. */
  leaderElect: 301,
  /** The watcher was ended: it did not keep up, or the store was replaced. */
  watcherCleared: 400,
  /** The events after this index are no longer in etcd's history. */
  eventIndexCleared: 401,
} as const;
/** One of the error numbers. */
export type EtcdErrorCode = (typeof EtcdErrorCode)[keyof typeof EtcdErrorCode];
