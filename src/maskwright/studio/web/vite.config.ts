import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

const TOP = ["index.html", "package-lock.json", "package.json", "tsconfig.json", "vite.config.ts"];

/** The hash of all sources beside what was built of them: a test finds a build that is stale. */
function hashSources(): Plugin {
  return {
    name: "hash-sources",
    generateBundle() {
      const hash = createHash("sha256");
      const names = [...TOP, ...readdirSync("src").map((name) => `src/${name}`)].sort();
      for (const name of names) hash.update(`${name}\n`).update(readFileSync(name));
      this.emitFile({ type: "asset", fileName: "sources.sha256", source: `${hash.digest("hex")}\n` });
    },
  };
}

// File names without hashes: the server answers them with `no-cache`, and diffs stay readable.
export default defineConfig({
  base: "./",
  plugins: [hashSources()],
  worker: { format: "es", rollupOptions: { output: { entryFileNames: "assets/[name].js" } } },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { studio: "index.html", engine: "src/engine.ts" },
      preserveEntrySignatures: "strict",
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
});
