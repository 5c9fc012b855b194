export const EtcdErrorCode = {
  keyNotFound: 100,
  compareFailed: 101,
  notFile: 102,
  notDir: 104,
  nodeExist: 105,
  rootReadOnly: 107,
  dirNotEmpty: 108,
  unauthorized: 110,
  prevValueRequired: 201,
  ttlNaN: 202,
  indexNaN: 203,
  invalidField: 209,
  invalidForm: 210,
  refreshValue: 211,
  refreshTtlRequired: 212,
  raftInternal: 300,
  leaderElect: 301,
  watcherCleared: 400,
  eventIndexCleared: 401,
} as const;
/** One of the error numbers. */
export type EtcdErrorCode = (typeof EtcdErrorCode)[keyof typeof EtcdErrorCode];
