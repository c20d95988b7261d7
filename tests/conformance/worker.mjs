#!/usr/bin/env node
// Decodes many streams in one process, for tests that have hundreds: one job per line of stdin, one result per line
// of stdout, in order. A result is what decode.mjs prints, and its exit status as `status`.
// A job: {protocol, data: <base64>, fragment?, lenient?, initialState?}, or what a server answers:
// {protocol, url, method?, json?, headers?, headerCheck?}.
import { createInterface } from "node:readline";
import { decode, exitStatus, jsonSafe, storedResponse } from "./clients.mjs";
import { decodeLive } from "./live.mjs";

const perform = ({ protocol, url, data, fragment, ...options }) =>
  url === undefined
    ? decode(protocol, async () => storedResponse(protocol, Buffer.from(data, "base64"), fragment), options)
    : decodeLive(protocol, url, options);

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  // An open pipe would hide that a client never settles.
  process.stdin.unref?.();
  const out = await perform(JSON.parse(line));
  process.stdin.ref?.();
  process.stdout.write(`${JSON.stringify({ ...out, status: exitStatus(out) }, jsonSafe)}\n`);
}
