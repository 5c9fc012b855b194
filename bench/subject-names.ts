/** Who is compared. Each inner list is measured back to back, so that its members' ratios suffer least from a noisy machine. */
export const subjectGroups = [
  ["node:http"],
  ["etcd2 on got", "got transport, bare"],
  ["etcd2 on undici", "undici transport, bare"],
  ["node-etcd 7"],
  ["etcdjs 2"],
  ["Go's client"],
] as const;

export type SubjectName = (typeof subjectGroups)[number][number];

/** Those that run in Node. */
export type NodeSubjectName = Exclude<SubjectName, "Go's client">;

/** What the ratios of the tables are to. */
export const baseline = "node:http" satisfies SubjectName;

/** The SDK, and what it stands on. */
export const sdkPairs = [
  { sdk: "etcd2 on got", bare: "got transport, bare" },
  { sdk: "etcd2 on undici", bare: "undici transport, bare" },
] as const satisfies readonly { readonly sdk: SubjectName; readonly bare: SubjectName }[];

export function isSdk(name: SubjectName): boolean {
  return sdkPairs.some(({ sdk }) => sdk === name);
}
