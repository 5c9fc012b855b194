/**
 * Why a text is not JSON, in the words of Go's decoder.
 *
 * @returns undefined if it is JSON
 */
export function jsonProblem(text: string): string | undefined {
  try {
    new Scanner(text).document();
    return undefined;
  } catch (error) {
    if (error instanceof JsonProblem) return error.message;
    // the stack overflowed: Go has a limit, too
    if (error instanceof RangeError) return "exceeded max depth";
    throw error;
  }
}

class JsonProblem extends Error {}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#value();
    this.#space();
    if (this.#at < this.#text.length) this.#refuse("after top-level value");
  }

  #value(): void {
    this.#space();
    const char = this.#peek();
    if (char === "{") this.#object();
    else if (char === "[") this.#array();
    else if (char === '"') this.#string();
    else if (/[-\d]/.test(char)) this.#number();
    else if (char in literals) this.#literal(literals[char] ?? "");
    else this.#refuse("looking for beginning of value");
  }

  #object(): void {
    this.#at++;
    this.#space();
    if (this.#peek() === "}") {
      this.#at++;
      return;
    }
    for (;;) {
      this.#space();
      if (this.#peek() !== '"') this.#refuse("looking for beginning of object key string");
      this.#string();
      this.#space();
      if (this.#peek() !== ":") this.#refuse("after object key");
      this.#at++;
      this.#value();
      if (this.#ends("}", "after object key:value pair")) return;
    }
  }

  #array(): void {
    this.#at++;
    this.#space();
    if (this.#peek() === "]") {
      this.#at++;
      return;
    }
    do this.#value();
    while (!this.#ends("]", "after array element"));
  }

  /** Skips the bracket that ends an object or array, or the comma before its next element. True for the bracket. */
  #ends(bracket: string, where: string): boolean {
    this.#space();
    const char = this.#peek();
    if (char !== bracket && char !== ",") this.#refuse(where);
    this.#at++;
    return char === bracket;
  }

  #string(): void {
    this.#at++;
    for (let char = this.#peek(); char !== '"'; char = this.#peek()) {
      if (char < " ") this.#refuse("in string literal");
      this.#at++;
      if (char === "\\") this.#escape();
    }
    this.#at++;
  }

  #escape(): void {
    const char = this.#here();
    if (!/["\\/bfnrtu]/.test(char)) this.#refuse("in string escape code");
    this.#at++;
    for (let digit = 0; char === "u" && digit < 4; digit++, this.#at++)
      if (!/[\da-f]/i.test(this.#here())) this.#refuse("in \\u hexadecimal character escape");
  }

  #number(): void {
    if (this.#peek() === "-") this.#at++;
    if (this.#here() === "0") this.#at++;
    else this.#digits("in numeric literal");
    if (this.#text[this.#at] === ".") {
      this.#at++;
      this.#digits("after decimal point in numeric literal");
    }
    if (/[eE]/.test(this.#text[this.#at] ?? "")) {
      this.#at++;
      if (/[+-]/.test(this.#here())) this.#at++;
      this.#digits("in exponent of numeric literal");
    }
  }

  #digits(where: string): void {
    if (!/\d/.test(this.#here())) this.#refuse(where);
    while (/\d/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  #literal(word: string): void {
    for (const char of word) {
      if (this.#here() !== char) this.#refuse(`in literal ${word} (expecting '${char}')`);
      this.#at++;
    }
  }

  #space(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? "")) this.#at++;
  }

  /** The character at this place. The text must not end here. */
  #peek(): string {
    const char = this.#text[this.#at];
    if (char === undefined) throw new JsonProblem("unexpected end of JSON input");
    return char;
  }

  /** The character at this place; a space at the end of the text, as Go sees it. */
  #here(): string {
    return this.#text[this.#at] ?? " ";
  }

  #refuse(where: string): never {
    const char = this.#here();
    const shown = char === "'" ? "'\\''" : char === '"' ? `'"'` : `'${JSON.stringify(char).slice(1, -1)}'`;
    throw new JsonProblem(`invalid character ${shown} ${where}`);
  }
}

const literals: Readonly<Record<string, string>> = { t: "true", f: "false", n: "null" };
