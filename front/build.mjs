// Bundles the styles and the script into src/ringlet/static; names carry a hash, so that they may be kept forever.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const here = new URL(".", import.meta.url).pathname;
const out = here + "../src/ringlet/static/";
const options = {
  bundle: true, minify: true, write: false, outdir: out, format: "esm",
  target: ["chrome123", "firefox121", "safari17.5"], legalComments: "eof", logLevel: "warning",
};
const result = await build({ ...options, entryPoints: [here + "css/main.css", here + "js/main.js"] });
const files = Object.fromEntries(
  result.outputFiles.map((file) => [file.path.endsWith(".css") ? "main.css" : "main.js", Buffer.from(file.contents)]),
);
// The proof of work of altcha, for the few forms that ask for it: its thread is a file, because the policy knows no blobs.
const [widget, thread] = await Promise.all([
  'import "altcha/external"; globalThis.$altcha.algorithms.set("PBKDF2/SHA-256",'
    + ' () => new Worker(document.querySelector("altcha-widget").dataset.thread));',
  'import "altcha/workers/pbkdf2";',
].map((contents) => build({ ...options, stdin: { contents, resolveDir: here } })));
files["work.js"] = Buffer.from(widget.outputFiles[0].contents);
files["work-thread.js"] = Buffer.from(thread.outputFiles[0].contents);
const symbols = readdirSync(here + "icons").filter((name) => name.endsWith(".svg")).sort().map((name) => {
  const svg = readFileSync(here + "icons/" + name, "utf8");
  return `<symbol id="${name.slice(0, -4)}" viewBox="0 0 20 20">${svg.replace(/^[\s\S]*?<svg[^>]*>|<\/svg>\s*$/g, "")}</symbol>`;
});
files["icons.svg"] = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`);

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const names = {};
for (const [name, content] of Object.entries(files)) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
  names[name] = name.replace(".", `.${hash}.`);
  writeFileSync(out + names[name], content);
  writeFileSync(out + names[name] + ".gz", gzipSync(content, { level: 9 }));
  writeFileSync(out + names[name] + ".br", brotliCompressSync(content));
}
writeFileSync(out + "names.json", JSON.stringify(names, null, 2) + "\n");
// What receipts are written with as PDF; the server reads it, browsers never ask for it.
mkdirSync(out + "fonts");
for (const name of ["ttf/DejaVuSans.ttf", "ttf/DejaVuSans-Bold.ttf", "LICENSE"]) {
  copyFileSync(`${here}node_modules/dejavu-fonts-ttf/${name}`, `${out}fonts/${name.replace("ttf/", "")}`);
}
