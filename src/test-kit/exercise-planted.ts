import { exercise } from "./planted.js";

// a process of its own, so that DEBUG is read as users set it
await exercise();
process.stdout.write("done");
