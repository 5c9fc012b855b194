// A real nginx for tests, with its files in a temporary folder.
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { find } from "../../scripts/servers/programs.mjs";
import { ServerInFolder } from "./server-process.js";

export interface NginxOptions {
  /** What the block `http` holds, given nginx's folder. */
  readonly http: (folder: string) => string;
  /** Directives outside of the blocks, given nginx's folder. @default one process, without workers */
  readonly main?: (folder: string) => string;
  /** Whether it serves. Absent: it does as soon as it runs. */
  readonly isUp?: () => Promise<boolean>;
}

/** One nginx. Ended by `stop`, by `await using`, and with this process. */
export class Nginx extends ServerInFolder {
  /** The arguments with which it is started: with `-t` it only checks its configuration, with `-s reload` it reads it again. */
  readonly args: readonly string[];
  readonly #isUp: (() => Promise<boolean>) | undefined;

  constructor({ http, main = () => "master_process off;", isUp }: NginxOptions) {
    const bin = find("nginx");
    const folder = mkdtempSync(join(tmpdir(), "etcd2-nginx-"));
    const file = join(folder, "nginx.conf");
    const args = ["-p", folder, "-e", join(folder, "error.log"), "-c", file];
    super({ name: "nginx", bin, args: () => args, logFile: join(folder, "log") }, folder);
    this.args = args;
    this.#isUp = isUp;
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((what) => `${what}_temp_path ${folder}/tmp-${what};`)
      .join(" ");
    writeFileSync(
      file,
      `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log warn; ${main(folder)}
      events { worker_connections 256; }
      http { access_log off; ${temporary} ${http(folder)} }`,
    );
  }

  override async healthy(): Promise<boolean> {
    return this.#isUp === undefined ? super.healthy() : this.#isUp().catch(() => false);
  }

  /** SIGKILL would leave its workers behind. */
  override async kill(): Promise<void> {
    await this.terminate();
  }

  protected override end(): void {
    this.signal("SIGTERM");
  }

  /** What it has logged since its first start. */
  errors(): string {
    const file = join(this.folder, "error.log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }
}
