#!/usr/bin/env node
// Asks an OpenAI-compatible server with and without streaming, as an application does, and prints both answers:
// { "whole": ..., "streamed": ... }, each { "completion" } or { "error": { status, message, code, type } }.
import OpenAI, { APIError } from "openai";

const [baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ apiKey: "none", baseURL });
const question = { model, messages: [{ role: "user", content: "Hi" }] };

const answered = async (ask) => {
  try {
    return { completion: await ask() };
  } catch (e) {
    if (!(e instanceof APIError)) throw e;
    const { status = null, message, code, type } = e;
    return { error: { status, message, code, type } };
  }
};

const whole = await answered(() => client.chat.completions.create(question));
const streamed = await answered(() =>
  client.chat.completions.stream({ ...question, stream_options: { include_usage: true } }).finalChatCompletion(),
);
process.stdout.write(JSON.stringify({ whole, streamed }));
