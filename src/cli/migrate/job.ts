import type { Io } from "../io.js";
import type { Output } from "../output.js";
import type { Progress, ProgressDetails } from "../progress.js";
import type { MigrateOptions } from "./options.js";
import type { Source } from "./source.js";
import type { State } from "./state.js";
import type { Target } from "./target.js";

/** What the steps of a migration share. */
export interface Job {
  readonly options: MigrateOptions;
  readonly io: Io;
  readonly out: Output;
  /** Aborts when the step is to end. */
  readonly signal: AbortSignal;
  readonly source: Source;
  readonly target: Target;
  readonly state: State;
  /** The prefix, and the hidden keys that were named: v2 lists neither of them with the other. */
  readonly roots: readonly string[];
  /** How many paths the check found. Absent: none was made. */
  readonly total?: number;
  /** Begins to show the progress of a phase. */
  readonly begin: (phase: string, details?: () => ProgressDetails) => Progress;
  /** Prints a line for the operator. */
  readonly say: (text: string) => void;
}
