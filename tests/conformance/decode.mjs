#!/usr/bin/env node
// Decodes wire bytes with the client code that real front ends run.
// Usage and output: README.md in this folder.
import { readFileSync } from "node:fs";
import { PROTOCOLS, decode, exitStatus, jsonSafe, storedResponse } from "./clients.mjs";
import { decodeLive } from "./live.mjs";

// ------------------------------------------------------------------- args ---
const usage = () => {
  process.stderr.write(
    `usage: node decode.mjs <protocol> <file|-> [--fragment N] [--lenient] [--initial-state JSON]\n` +
      `       node decode.mjs <protocol> --url URL [--method POST] [--json '{...}'] [--header 'k: v']... [--no-header-check]\n` +
      `protocols: ${PROTOCOLS.join(", ")}\n`,
  );
  process.exit(2);
};

const opts = { headers: {}, positional: [], headerCheck: true };
{
  const argv = process.argv.slice(2);
  for (let i = 0; i < argv.length; i++) {
    const a = argv[i];
    const next = () => (i + 1 < argv.length ? argv[++i] : usage());
    if (a === "--fragment") opts.fragment = Number(next());
    else if (a === "--url") opts.url = next();
    else if (a === "--method") opts.method = next();
    else if (a === "--json") opts.json = next();
    else if (a === "--header") {
      const h = next();
      const c = h.indexOf(":");
      if (c < 1) usage();
      opts.headers[h.slice(0, c).trim()] = h.slice(c + 1).trim();
    } else if (a === "--lenient") opts.lenient = true;
    else if (a === "--initial-state") opts.initialState = JSON.parse(next());
    else if (a === "--no-header-check") opts.headerCheck = false;
    else if (a.startsWith("--")) usage();
    else opts.positional.push(a);
  }
}
const [protocol, file] = opts.positional;
if (!PROTOCOLS.includes(protocol)) usage();
if (!opts.url === !file) usage(); // exactly one source
if (opts.fragment !== undefined && !(Number.isInteger(opts.fragment) && opts.fragment > 0)) usage();

// ----------------------------------------------------------------- source ---
const readStdin = async () => {
  const parts = [];
  for await (const p of process.stdin) parts.push(p);
  return Buffer.concat(parts);
};
const stored = async () => storedResponse(protocol, file === "-" ? await readStdin() : readFileSync(file), opts.fragment);

// ------------------------------------------------------------------- main ---
const { lenient, initialState } = opts;
const out = opts.url
  ? await decodeLive(protocol, opts.url, opts)
  : await decode(protocol, stored, { lenient, initialState });
process.stdout.write(JSON.stringify(out, jsonSafe, 2) + "\n", () => process.exit(exitStatus(out)));
