import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atExit } from "../scripts/run.mjs";
import { find } from "../scripts/servers/programs.mjs";
import type { ClusterOptions } from "./test-kit/etcd.js";

/** The available certificates: a CA, good and bad ones issued by it, and those of an untrusted CA. */
export type CertificateName = "ca" | "foreignCa" | "server" | "expired" | "wrongHost" | "client" | "foreignClient";

/** Certificates in a temporary folder, made by openssl. `dispose` removes them; so does the end of this process. */
export interface Certificates extends Disposable {
  /** Path of a certificate's PEM file. */
  cert(name: CertificateName): string;
  /** Path of its key's PEM file. */
  key(name: CertificateName): string;
  /** The client's key again, encrypted with {@link passphrase}. */
  readonly encryptedClientKey: string;
}

export const passphrase = "open sesame";

/** The only name that the certificate `wrongHost` is valid for. */
export const wrongHostName = "wrong.example";

const localNames = "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1";
/** etcd connects to its own client port with its server certificate. */
const serverUse = "serverAuth,clientAuth";

/** Takes about half a second. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "etcd2-tls-"));
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true });
  };
  const forget = atExit(remove);
  makeCa(folder, "ca");
  makeCa(folder, "foreignCa");
  sign(folder, "server", "ca", serverUse, localNames);
  sign(folder, "wrongHost", "ca", serverUse, `DNS:${wrongHostName}`);
  sign(folder, "client", "ca", "clientAuth");
  sign(folder, "foreignClient", "foreignCa", "clientAuth");
  signExpired(folder, "expired", "ca");
  const encryptedClientKey = join(folder, "client-encrypted-key.pem");
  openssl(
    folder,
    "pkcs8",
    "-topk8",
    "-in",
    "client-key.pem",
    "-v2",
    "aes-256-cbc",
    "-passout",
    `pass:${passphrase}`,
    "-out",
    encryptedClientKey,
  );
  return {
    cert: (name) => join(folder, `${name}.pem`),
    key: (name) => join(folder, `${name}-key.pem`),
    encryptedClientKey,
    [Symbol.dispose]() {
      forget();
      remove();
    },
  };
}

/** Contents of a file, as the `tls` options take them. */
export function pem(path: string): Buffer {
  return readFileSync(path);
}

/** TLS of a member with this certificate, which requires a client certificate of the CA. */
export function memberTls(certificates: Certificates, name: CertificateName): NonNullable<ClusterOptions["tls"]> {
  return {
    cert: certificates.cert(name),
    key: certificates.key(name),
    ca: certificates.cert("ca"),
    clientCertAuth: true,
    clientCert: certificates.cert("client"),
    clientKey: certificates.key("client"),
  };
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

function makeCa(folder: string, name: CertificateName): void {
  const extensions = [
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    "-addext",
    "keyUsage=critical,keyCertSign,cRLSign",
  ];
  openssl(
    folder,
    "req",
    "-x509",
    ...newKey,
    "-days",
    "30",
    "-subj",
    `/CN=etcd2 test ${name}`,
    "-keyout",
    `${name}-key.pem`,
    "-out",
    `${name}.pem`,
    ...extensions,
  );
}

function sign(folder: string, name: CertificateName, ca: CertificateName, use: string, names = ""): void {
  request(folder, name);
  const extensions = [
    "basicConstraints=CA:FALSE",
    "keyUsage=digitalSignature",
    `extendedKeyUsage=${use}`,
    ...(names === "" ? [] : [`subjectAltName=${names}`]),
  ];
  writeFileSync(join(folder, `${name}.ext`), `${extensions.join("\n")}\n`);
  openssl(
    folder,
    "x509",
    "-req",
    "-in",
    `${name}.csr`,
    "-CA",
    `${ca}.pem`,
    "-CAkey",
    `${ca}-key.pem`,
    "-CAcreateserial",
    "-days",
    "30",
    "-extfile",
    `${name}.ext`,
    "-out",
    `${name}.pem`,
  );
}

/** `openssl ca` is the one command of openssl 1.1 to 3.3 that takes the dates. */
function signExpired(folder: string, name: CertificateName, ca: CertificateName): void {
  request(folder, name);
  mkdirSync(join(folder, "ca.d"));
  writeFileSync(join(folder, "ca.d", "index.txt"), "");
  writeFileSync(join(folder, "ca.d", "serial"), "1000\n");
  const config = [
    "[ca]",
    "default_ca = own",
    "[own]",
    "database = ca.d/index.txt",
    "serial = ca.d/serial",
    "new_certs_dir = ca.d",
    "default_md = sha256",
    "policy = names",
    "x509_extensions = extensions",
    "[names]",
    "commonName = supplied",
    "[extensions]",
    "basicConstraints = CA:FALSE",
    `extendedKeyUsage = ${serverUse}`,
    `subjectAltName = ${localNames}`,
  ];
  writeFileSync(join(folder, "ca.cnf"), `${config.join("\n")}\n`);
  openssl(
    folder,
    "ca",
    "-batch",
    "-notext",
    "-config",
    "ca.cnf",
    "-cert",
    `${ca}.pem`,
    "-keyfile",
    `${ca}-key.pem`,
    "-in",
    `${name}.csr`,
    "-out",
    `${name}.pem`,
    "-startdate",
    opensslDate(-30),
    "-enddate",
    opensslDate(-1),
  );
}

function request(folder: string, name: CertificateName): void {
  openssl(
    folder,
    "req",
    "-new",
    ...newKey,
    "-subj",
    `/CN=${name}`,
    "-keyout",
    `${name}-key.pem`,
    "-out",
    `${name}.csr`,
  );
}

function opensslDate(days: number): string {
  return `${new Date(Date.now() + days * 86_400_000)
    .toISOString()
    .replace(/[-:T]|\.\d+/g, "")
    .slice(0, 14)}Z`;
}

function openssl(folder: string, ...args: readonly string[]): void {
  try {
    execFileSync(find("openssl"), args, { cwd: folder, stdio: "pipe", encoding: "utf8" });
  } catch (error) {
    const { code, stderr } = error as { readonly code?: string; readonly stderr?: string };
    throw new Error(
      code === "ENOENT"
        ? "openssl is not on the PATH: install it (apt-get install openssl)"
        : `openssl ${args[0] ?? ""}: ${stderr ?? ""}`,
      { cause: error },
    );
  }
}
