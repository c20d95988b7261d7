// Bundles the pages: node bundle.mjs FOLDER. Each line of AI SDK has a folder of its own in it, with an index.html.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Chat</title>
<link rel="icon" href="data:,">
<div id="root"></div>
<script type="module" src="main.js"></script>
</html>
`;

const LINES = {
  latest: {},
  v6: { "@ai-sdk/react": "ai-sdk-react-v6", ai: "ai-v6" },
  v5: { "@ai-sdk/react": "ai-sdk-react-v5", ai: "ai-v5" },
};

async function bundle(folder, alias) {
  await build({
    entryPoints: [join(import.meta.dirname, "pages", "main.tsx")],
    outdir: folder,
    alias,
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    // With the warnings that a developer sees.
    define: { "process.env.NODE_ENV": '"development"', "process.env": "{}" },
    logLevel: "warning",
  });
  await writeFile(join(folder, "index.html"), PAGE);
}

const [out] = process.argv.slice(2);
await Promise.all(Object.entries(LINES).map(([line, alias]) => bundle(join(out, line), alias)));
