import { exercise } from "./planted.js";

// runs in its own process, so that DEBUG is read as users set it
await exercise();
process.stdout.write("done");
