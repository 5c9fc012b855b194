/** The first `max` characters of a text, and its length if it is longer. Messages quote server text only in this form. */
export function shorten(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max).toWellFormed()}... (${String(text.length)} characters)`;
}
