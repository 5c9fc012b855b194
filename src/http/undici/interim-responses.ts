import type { Socket } from "node:net";

/**
 * Makes a socket skip informational responses (1xx) in what it reads, since undici treats a `100 Continue` that it did not ask
 * for as a failure. Returns a function to be called when a request begins, so that only the beginning of its response is
 * looked at.
 */
export function skipInterimResponses(socket: Socket): () => void {
  const read = socket.read.bind(socket) as (size?: number) => Buffer | null;
  let atStart = false;
  /** What may yet turn out to be an informational response. */
  let held: Buffer | undefined;
  socket.read = (size) => {
    for (;;) {
      const chunk = read(size);
      if (chunk === null || !atStart) return chunk;
      const bytes = held === undefined ? chunk : Buffer.concat([held, chunk]);
      const start = finalStart(bytes);
      held = start === undefined ? bytes : undefined;
      if (start === undefined) continue;
      atStart = false;
      return start === 0 ? bytes : bytes.subarray(start);
    }
  };
  return () => {
    atStart = true;
    held = undefined;
  };
}

/** Where the final response begins; undefined if that is not known yet. A `101` is final, and so is anything that is not HTTP. */
function finalStart(bytes: Buffer): number | undefined {
  // nearly always: another status than 1xx, seen without making a string
  const firstDigit = bytes[interim.length - 1];
  if (firstDigit !== undefined && firstDigit !== interim.charCodeAt(interim.length - 1)) return 0;
  for (let at = 0; ;) {
    const line = bytes.toString("latin1", at, at + interim.length + 3);
    const known = Math.min(line.length, interim.length);
    // "HTTP/1.0" or "HTTP/1.1"
    if (line.slice(0, known).replace("/1.0", "/1.1") !== interim.slice(0, known)) return at;
    if (line.length < interim.length + 2) return undefined;
    if (line.startsWith("01", interim.length)) return at;
    const end = bytes.indexOf("\r\n\r\n", at);
    if (end === -1) return bytes.length - at > maxInterimBytes ? at : undefined;
    at = end + 4;
  }
}

const interim = "HTTP/1.1 1";

/** As much as Node takes for the headers of a response. */
const maxInterimBytes = 16_384;
