import type { GetCall } from "../core/call.js";
import type { AnswerNode, Done, Place, Refused } from "../core/keys-store.js";
import type { Header, Json, KeyValue } from "./decode.js";
import { GatewayError, grpcCode } from "./gateway.js";
import { afterAll, compareBytes, type KeyRange, type Layout } from "./layout.js";
import { timesLeft, type TimesLeft } from "./leases.js";
import { directoryNode, fileNode, placeOf, refused } from "./nodes.js";
import { hasMore, keysIn, read, readRange, transact } from "./operations.js";
import type { Session } from "./session.js";
import { situationReads, whyUnreachable } from "./situation.js";

/** Keys of one request. */
const pageSize = 1_000;
/** How often a listing begins anew because its revision was compacted between two pages. */
const maxAttempts = 3;

/**
 * Reads a file or a directory, all of it at one revision. Rejects as `Session.post` does.
 *
 * A key that is most likely a file takes one plain range. There are no async functions on its way: each would cost a call as
 * much as decoding the response does (measured; the same holds for writes).
 */
export function get(session: Session, call: GetCall, note: string | undefined): Promise<Done | Refused> {
  const range = rangeOfFile(session, call);
  if (range === undefined) return readAtOneRevision(session, call, note);
  const fields = { limit: 2, serializable: !call.quorum };
  return readRange(session, range, fields, { note }).then(({ header, response }) => {
    const place = placeOf(header);
    const [first, second] = keysIn(response);
    if (first === undefined) return whyMissing(session, call, place, note);
    if (first.key === range.key && second === undefined) return fileOf(session, call, place, first);
    const { key: marker } = session.layout.below(call.key);
    // what is both a file and a directory is a directory
    const isDirectory = first.key.startsWith(marker) || second?.key.startsWith(marker) === true;
    session.hints.shapes.set(call.key, isDirectory ? "directory" : "crowded");
    return readAtOneRevision(session, call, note);
  });
}

/**
 * From the file to all that may lie below it: a read of two of these keys shows whether there is only the file. It does not
 * if another key follows that begins with the same name, such as "/a-b" beside "/a": then the key is "crowded".
 *
 * Undefined if that is no good first request: the key is likely a directory, or crowded, or the user may not read all of it.
 */
function rangeOfFile({ layout, identity, hints }: Session, { key, recursive }: GetCall): KeyRange | undefined {
  // what is read recursively is nearly always a directory
  if (recursive || key === "/" || hints.shapes.get(key) !== undefined) return undefined;
  const { rangeEnd } = layout.below(key);
  const range = { key: layout.file(key), rangeEnd };
  return identity.rights.mayRead(range) ? range : undefined;
}

/** Begins anew if the revision was compacted between two pages of a listing. */
async function readAtOneRevision(session: Session, call: GetCall, note: string | undefined): Promise<Done | Refused> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readOnce(session, call, note);
    } catch (error) {
      const wasCompacted = error instanceof GatewayError && error.code === grpcCode.outOfRange;
      if (!wasCompacted || attempt === maxAttempts) throw error;
    }
  }
}

async function readOnce(session: Session, call: GetCall, note: string | undefined): Promise<Done | Refused> {
  const { layout, identity, hints } = session;
  const { key, recursive, quorum } = call;
  const serializable = !quorum;
  const below = layout.below(key);
  const mayList = key === "/" || identity.rights.mayRead(below);
  const own = { key: layout.file(key) };
  // a user who may read only what is below a directory sees the directory all the same
  const mayBeFile = key !== "/" && (!mayList || identity.rights.mayRead(own));
  const fields = { limit: pageSize, serializable };
  // a listing needs no transaction
  const looksLikeDirectory = recursive || !mayBeFile || hints.shapes.get(key) === "directory";
  if (mayList && looksLikeDirectory) {
    const first = await readRange(session, below, fields, { note });
    const listed = await listing(session, call, below, first, note);
    if (listed.length > 0 || key === "/") return directoryOf(session, call, placeOf(first.header), listed);
    if (!mayBeFile) return whyMissing(session, call, placeOf(first.header), note);
    hints.shapes.delete(key);
  }
  const ops = [...(mayBeFile ? [read(own, { serializable })] : []), ...(mayList ? [read(below, fields)] : [])];
  const { header, responses } = await transact(session, { success: ops }, { readOnly: true, note });
  const place = placeOf(header);
  const file = mayBeFile ? keysIn(responses[0])[0] : undefined;
  const listed = mayList ? await listing(session, call, below, { header, response: responses.at(-1) }, note) : [];
  if (listed.length > 0) return directoryOf(session, call, place, listed);
  return file === undefined ? whyMissing(session, call, place, note) : fileOf(session, call, place, file);
}

/** A promise only if its lease has to be looked up. */
function fileOf(session: Session, { key, quorum }: GetCall, place: Place, file: KeyValue): Done | Promise<Done> {
  const done = (times?: TimesLeft): Done => {
    const { index, clusterId } = place;
    return { index, clusterId, action: "get", node: fileNode(key, file, times) };
  };
  return file.lease === "0" ? done() : timesLeft(session, [file], { isPatient: quorum }).then(done);
}

async function directoryOf(
  session: Session,
  { key, recursive, quorum }: GetCall,
  place: Place,
  listed: readonly KeyValue[],
): Promise<Done> {
  const { layout, hints } = session;
  const tree = treeOf(layout, key, listed);
  hints.shapes.set(key, "directory");
  const shown = recursive ? listed : listed.filter((each) => isChild(layout, key, each));
  if (!recursive) rememberChildren(session, key, tree);
  const times = await timesLeft(session, shown, { isPatient: quorum });
  return { ...place, action: "get", node: directoryAnswer(key, tree, recursive, times) };
}

/** Of one listing at most this many directories are remembered: they must not displace everything else. */
const maxRemembered = 100;

/** Who lists a directory often reads the directories in it next. */
function rememberChildren({ hints }: Session, key: string, { directories }: Tree): void {
  const prefix = key === "/" ? "/" : `${key}/`;
  let count = 0;
  for (const name of directories.keys()) {
    if (++count > maxRemembered) return;
    hints.shapes.set(prefix + name, "directory");
  }
}

/** All keys that the answer needs: every one below the directory, or the first one of each child. */
async function listing(
  session: Session,
  { key, recursive, quorum }: GetCall,
  below: KeyRange,
  first: { readonly header: Header; readonly response: Json | undefined },
  note: string | undefined,
): Promise<readonly KeyValue[]> {
  const found: KeyValue[] = [];
  const { revision } = first.header;
  let { response } = first;
  for (;;) {
    const page = keysIn(response);
    for (const each of page) found.push(each);
    const last = page.at(-1);
    if (last === undefined || !hasMore(response)) return found;
    const next = recursive ? `${last.key}\0` : afterChild(session.layout, key, last.key);
    const range = { key: next, rangeEnd: below.rangeEnd };
    const fields = { limit: pageSize, revision, serializable: !quorum };
    ({ response } = await readRange(session, range, fields, { note }));
  }
}

/** Where a listing of one level goes on behind a key: behind the whole child directory that it lies in. */
function afterChild(layout: Layout, directory: string, v3Key: string): string {
  const start = layout.marker(directory).length;
  const slash = v3Key.indexOf("/", start);
  return slash < 0 ? `${v3Key}\0` : afterAll(v3Key.slice(0, slash + 1));
}

/** Whether it is a file in the directory itself. */
function isChild(layout: Layout, directory: string, { key }: KeyValue): boolean {
  return !key.slice(layout.marker(directory).length).includes("/");
}

/** Why a read found nothing. @param missedAt index and cluster of that read */
async function whyMissing(
  session: Session,
  { key, quorum }: GetCall,
  missedAt: Place,
  note: string | undefined,
): Promise<Refused> {
  const { ops, decode } = situationReads(session, key, !quorum);
  const result = await transact(session, { success: ops }, { readOnly: true, note });
  // made between the two requests: a watch from the index of this response must see it
  return whyUnreachable(placeOf(result.header), key, decode(result.responses)) ?? refused(missedAt, "keyNotFound", key);
}

/** A directory that is being built: keys come in the order of their bytes, in which a marker precedes what is below it. */
interface Tree {
  marker: KeyValue | undefined;
  readonly files: Map<string, KeyValue>;
  readonly directories: Map<string, Tree>;
}

function treeOf(layout: Layout, directory: string, keys: readonly KeyValue[]): Tree {
  const root: Tree = { marker: undefined, files: new Map(), directories: new Map() };
  const start = directory === "/" ? 1 : directory.length + 1;
  const ownStart = layout.marker(directory).length;
  for (const each of keys) {
    // most are files in the directory itself, which need not be taken apart
    const rest = each.key.slice(ownStart);
    if (isPlainName(rest)) {
      root.files.set(rest, each);
      continue;
    }
    const parsed = layout.parse(each.key);
    if (parsed === undefined) continue;
    const names = parsed.key.length <= start ? [] : parsed.key.slice(start).split("/");
    const name = parsed.isMarker ? undefined : names.pop();
    let tree = root;
    // what is hidden is not shown, but the directory that it lies in is there
    const hiddenAt = names.findIndex((each) => each.startsWith("_"));
    for (const each of hiddenAt < 0 ? names : names.slice(0, hiddenAt)) {
      let child = tree.directories.get(each);
      if (child === undefined) {
        child = { marker: undefined, files: new Map(), directories: new Map() };
        tree.directories.set(each, child);
      }
      tree = child;
    }
    if (hiddenAt >= 0 || name?.startsWith("_") === true) continue;
    if (name === undefined) tree.marker = each;
    else tree.files.set(name, each);
  }
  return root;
}

/** Whether it is the name of a file that is shown; false where that needs a closer look. */
function isPlainName(name: string): boolean {
  return name !== "" && !name.startsWith("_") && !name.startsWith(".") && !/[/\ufffd]/.test(name);
}

function directoryAnswer(key: string, tree: Tree, recursive: boolean, times: TimesLeft): AnswerNode {
  const prefix = key === "/" ? "/" : `${key}/`;
  const node = directoryNode(key, tree.marker);
  if (tree.directories.size === 0) {
    if (tree.files.size === 0) return node;
    const nodes: AnswerNode[] = [];
    for (const [name, file] of tree.files) nodes.push(fileNode(prefix + name, file, times));
    return { ...node, nodes };
  }
  const children = new Map<string, AnswerNode>();
  for (const [name, file] of tree.files) children.set(name, fileNode(prefix + name, file, times));
  // what is both a file and a directory is a directory
  for (const [name, child] of tree.directories) {
    const path = prefix + name;
    children.set(name, recursive ? directoryAnswer(path, child, true, times) : directoryNode(path, child.marker));
  }
  // whole keys sort differently: "/d/a-b" comes before "/d/a/x"
  const sorted = [...children].sort(([a], [b]) => compareBytes(a, b));
  return { ...node, nodes: sorted.map(([, child]) => child) };
}
