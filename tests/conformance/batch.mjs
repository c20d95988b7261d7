#!/usr/bin/env node
// Decodes many stored streams in one process, for tests that have hundreds.
// Input on stdin: a JSON array of {protocol, data: <base64>, fragment?, lenient?, initialState?}.
// Output on stdout: a JSON array with the result of each as decode.mjs prints it, and its exit status as `status`.
import { decode, exitStatus, fail, jsonSafe, outcome, storedResponse } from "./clients.mjs";

const parts = [];
for await (const p of process.stdin) parts.push(p);
const jobs = JSON.parse(Buffer.concat(parts).toString("utf8"));

const results = [];
const add = (out) => results.push(JSON.stringify({ ...out, status: exitStatus(out) }, jsonSafe));
const finishUp = () => process.stdout.write(`[${results.join(",")}]\n`, () => process.exit(0));

// A client that waits for ever on a truncated stream leaves the event loop empty. The streams behind it are
// not decoded: fewer results than jobs tell so.
process.on("beforeExit", () => {
  fail("the client never settled: the stream ended without the end it waits for");
  add(outcome());
  finishUp();
});

for (const { protocol, data, fragment, ...options } of jobs)
  add(await decode(protocol, () => storedResponse(protocol, Buffer.from(data, "base64"), fragment), options));
finishUp();
