#!/usr/bin/env node
// What assistant-ui makes of the argument text of tool calls.
// Input on stdin: a JSON array of calls, each an array with the pieces of its text as they come.
// Output on stdout: a JSON array with the arguments that are shown after the last piece of each.
import { parsePartialJsonObject } from "assistant-stream/utils";

const parts = [];
for await (const p of process.stdin) parts.push(p);

const shown = (pieces) => {
  let args = {};
  let text = "";
  for (const piece of pieces) {
    text += piece;
    // What cannot be read changes nothing, as in the accumulator.
    args = parsePartialJsonObject(text) ?? args;
  }
  return args;
};
process.stdout.write(JSON.stringify(JSON.parse(Buffer.concat(parts).toString("utf8")).map(shown)));
