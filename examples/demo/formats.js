// The six formats, decoded. A decoder gets each frame as text and calls the methods of an answer (answer.js).

import { applyOperation, operationOf } from "./state.js";

/** The separator of the frames of each format, its decoder, and what the format does not carry. Plain text has no frames. */
export const FORMATS = {
  "data-stream": { separator: "\n", decoder: dataStream },
  "assistant-transport": { separator: "\n\n", decoder: events(assistantTransport) },
  "ui-message-stream": { separator: "\n\n", decoder: events(uiMessageStream) },
  "ag-ui": { separator: "\n\n", decoder: events(agUi) },
  openai: { separator: "\n\n", decoder: events(openAi), lacks: "tool results and no state" },
  text: { separator: null, decoder: plainText, lacks: "reasoning, no tool calls and no state" },
};

/** Yields the frames of a response body as text. */
export async function* readFrames(body, separator) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    if (separator === null) {
      yield value;
      continue;
    }
    const frames = (rest + value).split(separator);
    rest = frames.pop();
    yield* frames.filter((frame) => frame.trim());
  }
}

/** Makes a decoder of server-sent events from a function that returns the handler of a payload. */
function events(format) {
  return (answer) => {
    const handle = format(answer);
    return (frame) => {
      // Comments are heartbeats.
      if (!frame.startsWith("data: ") || frame === "data: [DONE]") return;
      handle(JSON.parse(frame.slice("data: ".length)));
    };
  };
}

/** Returns a handler that calls the method of a payload's type; other payloads have nothing to show here. */
const byType = (methods) => (payload) => methods[payload.type]?.(payload);

function dataStream(answer) {
  const methods = {
    0: (text) => answer.appendText(text),
    g: (text) => answer.appendReasoning(text),
    b: ({ toolCallId, toolName }) => answer.beginCall(toolCallId, toolName),
    c: ({ toolCallId, argsTextDelta }) => answer.appendArguments(toolCallId, argsTextDelta),
    a: ({ toolCallId, result, isError }) => answer.finishCall(toolCallId, result, isError),
    h: (source) => answer.addSource(source),
    3: (message) => answer.showError(message),
    d: ({ finishReason }) => answer.finish(finishReason),
    "aui-state": (operations) => answer.setState(operations.reduce(applyOperation, answer.state)),
  };
  return (line) => {
    const colon = line.indexOf(":");
    methods[line.slice(0, colon)]?.(JSON.parse(line.slice(colon + 1)));
  };
}

function assistantTransport(answer) {
  const parts = [];
  const append = {
    text: (part, text) => answer.appendText(text),
    reasoning: (part, text) => answer.appendReasoning(text),
    "tool-call": ({ toolCallId }, text) => answer.appendArguments(toolCallId, text),
  };
  return byType({
    "part-start"({ part }) {
      parts.push(part);
      if (part.type === "tool-call") answer.beginCall(part.toolCallId, part.toolName);
      if (part.type === "source") answer.addSource(part);
    },
    "text-delta": ({ path, textDelta }) => append[parts[path[0]].type](parts[path[0]], textDelta),
    result: ({ path, result, isError }) => answer.finishCall(parts[path[0]].toolCallId, result, isError),
    "update-state": ({ operations }) => answer.setState(operations.reduce(applyOperation, answer.state)),
    error: ({ error }) => answer.showError(error),
    "message-finish": ({ finishReason }) => answer.finish(finishReason),
  });
}

function uiMessageStream(answer) {
  return byType({
    "text-delta": ({ delta }) => answer.appendText(delta),
    "reasoning-delta": ({ delta }) => answer.appendReasoning(delta),
    "tool-input-start": ({ toolCallId, toolName }) => answer.beginCall(toolCallId, toolName),
    "tool-input-delta": ({ toolCallId, inputTextDelta }) => answer.appendArguments(toolCallId, inputTextDelta),
    "tool-output-available": ({ toolCallId, output }) => answer.finishCall(toolCallId, output, false),
    "tool-output-error": ({ toolCallId, errorText }) => answer.finishCall(toolCallId, errorText, true),
    "source-url": (source) => answer.addSource(source),
    "data-state": ({ data }) => answer.setState(data),
    error: ({ errorText }) => answer.showError(errorText),
    finish: ({ finishReason }) => answer.finish(finishReason),
  });
}

function agUi(answer) {
  return byType({
    TEXT_MESSAGE_CONTENT: ({ delta }) => answer.appendText(delta),
    REASONING_MESSAGE_CONTENT: ({ delta }) => answer.appendReasoning(delta),
    TOOL_CALL_START: ({ toolCallId, toolCallName }) => answer.beginCall(toolCallId, toolCallName),
    TOOL_CALL_ARGS: ({ toolCallId, delta }) => answer.appendArguments(toolCallId, delta),
    TOOL_CALL_RESULT: ({ toolCallId, content, metadata }) =>
      answer.finishCall(toolCallId, JSON.parse(content), metadata?.isError),
    CUSTOM: ({ name, value }) => name === "source" && answer.addSource(value),
    STATE_SNAPSHOT: ({ snapshot }) => answer.setState(snapshot),
    STATE_DELTA: ({ delta }) => answer.setState(delta.map(operationOf).reduce(applyOperation, answer.state)),
    RUN_ERROR: ({ message }) => answer.showError(message),
    RUN_FINISHED: ({ metadata }) => answer.finish(metadata?.finishReason),
  });
}

function plainText(answer) {
  return (text) => answer.appendText(text);
}

function openAi(answer) {
  // Later pieces of a call have its index only.
  const ids = [];
  return ({ error, choices: [choice] = [] }) => {
    if (error) answer.showError(error.message);
    if (!choice) return;
    const { content, reasoning_content: reasoning, tool_calls: calls = [] } = choice.delta;
    if (reasoning) answer.appendReasoning(reasoning);
    if (content) answer.appendText(content);
    for (const { index, id, function: { name, arguments: text } } of calls) {
      if (id) answer.beginCall((ids[index] = id), name);
      answer.appendArguments(ids[index], text);
    }
    if (choice.finish_reason) answer.finish(choice.finish_reason);
  };
}
