import { EscapeError, unescape } from "./go-text.js";

/** Names and values as Go's `ParseForm` reads them. The value that counts is the first of a name. */
export type Form = ReadonlyMap<string, readonly string[]>;

/** The fields of a request. */
export interface ParsedForm {
  /** Those of the form, then those of the query. */
  readonly form: Form;
  /** Why the request is malformed, in Go's words. Absent: it is well formed. */
  readonly problem?: string | undefined;
}

/** How Go reads a raw semicolon in a query: it separates up to etcd 3.3, and is an error in later versions. */
export type Semicolons = "separate" | "refused";

/** The parts of a request that a form comes from. */
export interface FormSource {
  readonly method: string;
  /** Without the question mark; one character for each byte. */
  readonly query: string;
  /** "": the request has no content type. */
  readonly contentType: string;
  readonly body: Buffer;
}

/** Longest form that Go reads, in bytes. */
export const maxFormBytes = 10 * 1024 * 1024;

/** Reads query and form. */
export function parseForm(source: FormSource, semicolons: Semicolons): ParsedForm {
  const values = new Map<string, string[]>();
  const inBody = takesBody(source.method) ? addBody(source, semicolons, values) : undefined;
  const inQuery = addPairs(source.query, semicolons, values);
  return { form: values, problem: inBody ?? inQuery };
}

/** The fields of a query or form, for showing them. */
export function formFields(latin1: string): Readonly<Record<string, string>> {
  const values = new Map<string, string[]>();
  addPairs(latin1, "separate", values);
  return Object.fromEntries(Array.from(values, ([name, [first = ""]]) => [name, first]));
}

/** Whether a content type is that of a form, with or without parameters. */
export function isFormType(contentType: string): boolean {
  return mediaTypeOf(contentType) === formType;
}

const formType = "application/x-www-form-urlencoded";

function takesBody(method: string): boolean {
  return method === "PUT" || method === "POST" || method === "PATCH";
}

/** Adds the fields of the body, if it is a form. Returns the problem, if any. */
function addBody(source: FormSource, semicolons: Semicolons, values: Map<string, string[]>): string | undefined {
  if (source.contentType === "") return undefined;
  const problem = problemOfType(source.contentType);
  if (mediaTypeOf(source.contentType) !== formType) return problem;
  if (source.body.length > maxFormBytes) return "http: POST too large";
  return problem ?? addPairs(source.body.toString("latin1"), semicolons, values);
}

/** Adds the pairs of a query or form. Returns the first problem in Go's words: a bad escape or a semicolon. */
function addPairs(latin1: string, semicolons: Semicolons, values: Map<string, string[]>): string | undefined {
  let problem: string | undefined;
  for (const pair of latin1.split(semicolons === "separate" ? /[&;]/ : "&")) {
    if (pair === "") continue;
    if (semicolons === "refused" && pair.includes(";")) {
      problem = "invalid semicolon separator in query";
      continue;
    }
    const equals = pair.indexOf("=");
    try {
      const name = unescape(equals < 0 ? pair : pair.slice(0, equals), true);
      const value = equals < 0 ? "" : unescape(pair.slice(equals + 1), true);
      const known = values.get(name);
      if (known === undefined) values.set(name, [value]);
      else known.push(value);
    } catch (error) {
      if (!(error instanceof EscapeError)) throw error;
      problem ??= error.message;
    }
  }
  return problem;
}

function mediaTypeOf(contentType: string): string {
  return (contentType.split(";", 1)[0] ?? "").trim().toLowerCase();
}

const token = /[\w!#$%&'*+.^`|~-]+/.source;
const mediaType = new RegExp(`^(?<type>${token})?(?<slash>/)?(?<subtype>${token})?(?<rest>.*)$`);
const parameter = new RegExp(`^\\s*;\\s*(?<name>${token})\\s*=\\s*(?:${token}|"(?:[^"\\\\\\r\\n]|\\\\.)*")`);

/** The problem of a content type, in the words of Go's `mime.ParseMediaType`. */
function problemOfType(contentType: string): string | undefined {
  const { type, slash, subtype, rest } = mediaType.exec(mediaTypeOf(contentType))?.groups ?? {};
  if (type === undefined) return "mime: no media type";
  if (slash === undefined) return rest === "" ? undefined : "mime: expected slash after first token";
  if (subtype === undefined) return "mime: expected token after slash";
  if (rest !== "") return "mime: unexpected content after media subtype";
  const semicolon = contentType.indexOf(";");
  let parameters = semicolon < 0 ? "" : contentType.slice(semicolon);
  const names = new Set<string>();
  while (parameters.trim() !== "" && parameters.trim() !== ";") {
    const found = parameter.exec(parameters);
    const name = found?.groups?.["name"]?.toLowerCase();
    if (found === null || name === undefined) return "mime: invalid media parameter";
    if (names.has(name)) return "mime: duplicate parameter name";
    names.add(name);
    parameters = parameters.slice(found[0].length);
  }
  return undefined;
}
