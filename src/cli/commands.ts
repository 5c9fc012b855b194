import type { Command } from "./command.js";
import { exportCommand } from "./commands/export.js";
import { get } from "./commands/get.js";
import { importCommand } from "./commands/import.js";
import { ls } from "./commands/ls.js";
import { rm } from "./commands/rm.js";
import { serve } from "./commands/serve.js";
import { set } from "./commands/set.js";
import { watch } from "./commands/watch.js";
import { migrate } from "./migrate/migrate.js";

/** All commands by name, in the order of the help. A new command is one more row. */
export const commands: ReadonlyMap<string, Command> = new Map([
  ["ls", ls],
  ["get", get],
  ["set", set],
  ["rm", rm],
  ["watch", watch],
  ["export", exportCommand],
  ["import", importCommand],
  ["serve", serve],
  ["migrate", migrate],
]);
