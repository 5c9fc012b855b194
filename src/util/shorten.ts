/** At most so many characters of a text that somebody else wrote: a message repeats what a server sends, not all of it. */
export function shorten(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max).toWellFormed()}... (${String(text.length)} characters)`;
}
